import type { IncomingHttpHeaders } from 'node:http';
import { presentOnly } from '../present-only.js';
import { ConnectionPool, keepAliveAgent } from './connection-pool.js';
import { exchange, userAgent, type BodyWriter } from './exchange.js';
import { connectionError, type ApiConnectionError } from './outgoing-errors.js';
import { RequestEnd } from './request-end.js';
import { hostOf, portOf, serverTrust } from './server-trust.js';
import type { ClientCertificate } from './tls-material.js';
import { UpstreamBody } from './upstream-body.js';

/** How an https upstream is verified, and how it can verify us. Replaced as a whole, never changed in place. */
export interface UpstreamTls {
  /** PEM bundle of the authorities for its certificate. Default: those of Node. */
  readonly ca?: string | undefined;
  /** The client certificate, presented if it asks for one. */
  readonly clientCertificate?: ClientCertificate | undefined;
  /** DNS name or IP address that its certificate must be for, instead of the URL's host. */
  readonly serverName?: string | undefined;
}

interface UpstreamRequest {
  /** Default `GET`. */
  readonly method?: string | undefined;
  /** Path and query, encoded, in place of those of the URL. */
  readonly target?: string | undefined;
  /** Default: no body. */
  readonly writeBody?: BodyWriter | undefined;
  /** Parameters behind those of the URL, encoded. */
  readonly query?: string | undefined;
  /** The only headers sent besides Host and our own User-Agent. */
  readonly headers: Readonly<Record<string, string>>;
  /** How long the answer's headers may take, including the connection (ms). */
  readonly timeoutMs: number;
  /** How long the answer's body may make no progress while it is awaited (ms). */
  readonly stallTimeoutMs: number;
  /** Aborts the request and the answer's body. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the reason if the body broke off; not if `signal` or the reader ended it. */
  readonly onBreakOff?: (error: ApiConnectionError) => void;
}

export interface UpstreamAnswer {
  readonly status: number;
  /** Empty if there is none. */
  readonly contentType: string;
  readonly contentLength: number | undefined;
  readonly contentEncoding: string | undefined;
  /** Whether nothing but the end of the connection ends the body, so that one that is cut off looks whole. */
  readonly isEndedByClose: boolean;
  readonly headers: IncomingHttpHeaders;
  /** Read it to its end, or close it with `return`. */
  readonly body: UpstreamBody;
}

/** Asks one server, over connections kept as long as authorities and certificate stay the same. */
export class UpstreamClient {
  /** The URL without its query, which may be a secret. */
  readonly address: string;
  readonly #url: URL;
  readonly #tls: UpstreamTls;
  readonly #pool = new ConnectionPool();

  /** `url` is http or https; `tls` is read at each request: its members may be getters. */
  constructor(url: URL, tls: UpstreamTls) {
    this.#url = url;
    this.#tls = tls;
    this.address = `${url.origin}${url.pathname}`;
  }

  /** Resolves when the answer's headers have come, whatever its status. @throws ApiConnectionError */
  async send(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const { protocol, host, pathname, search } = this.#url;
    const { method = 'GET', query = '', target } = request;
    const more = query === '' ? '' : `${search === '' ? '?' : '&'}${query}`;
    const end = new RequestEnd(this.address, request.timeoutMs, request.signal);
    try {
      const answer = await exchange({
        method,
        protocol,
        host: hostOf(this.#url),
        port: portOf(this.#url),
        path: target ?? `${pathname}${search}${more}`,
        headers: { Host: host, 'User-Agent': userAgent, ...request.headers },
        agent: this.#agent(),
        content: request.writeBody,
        end,
      });
      end.headersCame();
      const { statusCode: status = 0, headers } = answer;
      const length = headers['content-length'];
      const contentLength = length === undefined ? undefined : Number(length);
      const { address } = this;
      const { stallTimeoutMs, onBreakOff } = request;
      return {
        status,
        contentType: headers['content-type'] ?? '',
        contentLength,
        contentEncoding: headers['content-encoding'],
        isEndedByClose:
          length === undefined && !/(?:^|,)[ \t]*chunked[ \t]*$/i.test(headers['transfer-encoding'] ?? ''),
        headers,
        body: new UpstreamBody(answer, end, { address, stallTimeoutMs, onBreakOff, contentLength }),
      };
    } catch (error) {
      end.release();
      throw end.reason ?? connectionError(this.address, error);
    }
  }

  /** Closes idle connections now, and the others when their requests end. */
  close(): void {
    this.#pool.close();
  }

  #agent() {
    const { ca, clientCertificate, serverName = hostOf(this.#url) } = this.#tls;
    return this.#pool.agentFor([ca, clientCertificate], () =>
      keepAliveAgent(this.#url.protocol, {
        ...serverTrust(serverName, ca),
        ...presentOnly({ cert: clientCertificate?.certificate, key: clientCertificate?.privateKey }),
      }),
    );
  }
}
