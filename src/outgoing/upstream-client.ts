import type { IncomingMessage } from 'node:http';
import type { ApiConnectionError } from './api-error.js';
import { connectionError } from './connection-fault.js';
import { exchange } from './exchange.js';
import { RequestEnd } from './request-end.js';
import { defaultPort } from './server-address.js';
import { UpstreamAgent, type UpstreamTls } from './upstream-agent.js';
import { UpstreamBody } from './upstream-body.js';
import { userAgent } from './user-agent.js';

export interface UpstreamRequest {
  /** Sent beside Host and our own User-Agent; nothing else is. */
  readonly headers: Readonly<Record<string, string>>;
  /** How long the answer's headers may take, the connection included (ms). */
  readonly timeoutMs: number;
  /** How long the answer's body may make no progress while it is waited for (ms). */
  readonly stallTimeoutMs: number;
  /** Ends the request, and the answer's body. */
  readonly signal?: AbortSignal;
  /** Told why the body ended before its end; not where `signal` did that, or whoever read it. */
  readonly onBreakOff?: (error: ApiConnectionError) => void;
}

export interface UpstreamAnswer {
  readonly status: number;
  /** Empty where there is none. */
  readonly contentType: string;
  readonly contentLength?: number;
  readonly contentEncoding?: string;
  /** To be read to its end, or closed with `return`. */
  readonly body: UpstreamBody;
}

/** Gets one URL, over connections that are kept. */
export class UpstreamClient {
  /** The URL without its query, which may be a secret. */
  readonly address: string;
  readonly #url: URL;
  readonly #agent: UpstreamAgent;

  /** `url` is http or https; `tls` is read at each request: its members may be getters. */
  constructor(url: URL, tls: UpstreamTls) {
    this.#url = url;
    this.address = `${url.origin}${url.pathname}`;
    this.#agent = new UpstreamAgent(url, tls);
  }

  /** Resolves when the answer's headers have come, whatever its status. @throws ApiConnectionError */
  async get({
    headers,
    timeoutMs,
    stallTimeoutMs,
    signal,
    onBreakOff,
  }: UpstreamRequest): Promise<UpstreamAnswer> {
    const { protocol, hostname, host, port, pathname, search } = this.#url;
    const end = new RequestEnd(this.address, timeoutMs, signal);
    try {
      const answer = await exchange({
        method: 'GET',
        protocol,
        host: hostname.replace(/^\[(.*)\]$/, '$1'),
        port: port === '' ? defaultPort(protocol) : port,
        path: `${pathname}${search}`,
        headers: { Host: host, 'User-Agent': userAgent, ...headers },
        agent: this.#agent.current,
        signal: end.signal,
      });
      end.headersCame();
      const described = describe(answer);
      const body = new UpstreamBody(answer, end, {
        address: this.address,
        stallTimeoutMs,
        onBreakOff,
        contentLength: described.contentLength,
      });
      return { ...described, body };
    } catch (error) {
      end.release();
      throw end.reason ?? connectionError(this.address, error);
    }
  }

  /** Closes idle connections now, and the others when their requests end. */
  close(): void {
    this.#agent.retire();
  }
}

function describe({ statusCode = 0, headers }: IncomingMessage): Omit<UpstreamAnswer, 'body'> {
  const length = headers['content-length'];
  const encoding = headers['content-encoding'];
  return {
    status: statusCode,
    contentType: headers['content-type'] ?? '',
    ...(length === undefined ? {} : { contentLength: Number(length) }),
    ...(encoding === undefined ? {} : { contentEncoding: encoding }),
  };
}
