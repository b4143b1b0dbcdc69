import { request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Caller } from './credentials.js';

export interface Answer {
  readonly status: number;
  readonly auditId: string | undefined;
  readonly body: string;
}

export interface Question {
  /** `https://<address>:<port>` */
  readonly url: string;
  /** Sent as it is. */
  readonly path: string;
  readonly caller: Caller;
  readonly servingCa: string;
}

const timeoutMs = 10_000;

/** Sends one request on a connection of its own. Rejects when there is no answer. */
export async function ask({ url, path, caller, servingCa }: Question): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const { certificate, token } = caller;
  const response = await send({
    hostname,
    port,
    path,
    ca: servingCa,
    ...(certificate === undefined
      ? {}
      : { cert: certificate.certificatePem, key: certificate.privateKeyPem }),
    ...(token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } }),
    // A connection kept open would bring the certificate of whoever asked first.
    agent: false,
    signal: AbortSignal.timeout(timeoutMs),
  });
  const auditId = response.headers['audit-id'];
  return {
    status: response.statusCode ?? 0,
    auditId: typeof auditId === 'string' ? auditId : undefined,
    body: await text(response),
  };
}

function send(options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(options, resolve).on('error', reject).end();
  });
}
