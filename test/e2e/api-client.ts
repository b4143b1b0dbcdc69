import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';

export interface ApiCredentials {
  /** The server's authorities, PEM. */
  readonly authorities: readonly string[];
  readonly certificate?: IssuedCertificate;
  readonly token?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Parsed where it is JSON, a string where it is not (`ok` of /readyz). */
  readonly body: unknown;
}

export interface WatchEvent {
  readonly type: string;
  /** A Status where the type is ERROR. */
  readonly object: {
    readonly code?: number;
    readonly metadata?: {
      readonly name?: string;
      readonly resourceVersion?: string;
      readonly annotations?: Readonly<Record<string, string>>;
    };
  };
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

const timeoutMs = 10_000;

/** Sends each request on a connection of its own, so that a test's view of a server has no past. */
export class ApiClient {
  /** @param credentials Asked for at each request. */
  constructor(
    private readonly url: string,
    private readonly credentials: () => ApiCredentials,
  ) {}

  /** Rejects when there is no whole answer within 10 s; any status resolves. `PATCH` is a merge patch. */
  async request(method: Method, path: string, body?: unknown): Promise<Answer> {
    const response = await this.#send(method, path, AbortSignal.timeout(timeoutMs), body);
    const answered = await text(response);
    const { statusCode = 0, headers } = response;
    const isJson = headers['content-type']?.startsWith('application/json') ?? false;
    return { status: statusCode, headers, body: isJson ? JSON.parse(answered) : answered };
  }

  /**
   * The events of a watch, until the server ends it or the loop is left. Throws when the answer is not 200, at a
   * line that is no event, when the connection breaks, and when the signal ends it.
   */
  async *watch(path: string, signal?: AbortSignal): AsyncGenerator<WatchEvent, void, void> {
    const response = await this.#send('GET', path, signal);
    if (response.statusCode !== 200) {
      throw new Error(`${response.statusCode ?? 0} to a watch of ${path}: ${await text(response)}`);
    }
    response.setEncoding('utf8');
    let unfinished = '';
    for await (const chunk of response) {
      const lines = `${unfinished}${String(chunk)}`.split('\n');
      unfinished = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as WatchEvent;
    }
    if (unfinished !== '') throw new Error(`the watch of ${path} ended in the middle of a line`);
  }

  #send(method: Method, path: string, signal?: AbortSignal, body?: unknown): Promise<IncomingMessage> {
    const { authorities, certificate, token } = this.credentials();
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const options = {
      method,
      ca: [...authorities],
      headers: {
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'Content-Type': type }),
      },
      ...(certificate === undefined
        ? {}
        : { cert: certificate.certificatePem, key: certificate.privateKeyPem }),
      ...(signal === undefined ? {} : { signal }),
      agent: false,
    };
    return new Promise((resolve, reject) => {
      request(`${this.url}${path}`, options, resolve)
        .on('error', reject)
        .end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
