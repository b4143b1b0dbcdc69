import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Arrivals } from './arrivals.js';
import { eventOf, initialEventsEnd, listOf } from './api-objects.js';

/** One request, and what to do about it. */
export interface Exchange {
  readonly query: URLSearchParams;
  readonly response: ServerResponse;
}

export type Line = Buffer | string;
export type Answer = (exchange: Exchange) => void;

/** A success with these lines, that goes on. */
export function stream(...lines: readonly Line[]): Answer {
  return ({ response }) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.flushHeaders();
    for (const text of lines) response.write(text);
  };
}

/** A success with these lines, that ends. */
export function closed(...lines: readonly Line[]): Answer {
  return ending(stream(...lines));
}

/** The same answer, that ends. */
export function ending(open: Answer): Answer {
  return (exchange) => {
    open(exchange);
    exchange.response.end();
  };
}

/** The same answer, whose connection breaks behind `text`. */
export function reset(open: Answer, text = ''): Answer {
  return (exchange) => {
    open(exchange);
    const { response } = exchange;
    response.write(text, () => response.socket?.resetAndDestroy());
  };
}

/** A whole answer. */
export function answer(status: number, body: object | string, headers: Record<string, string> = {}): Answer {
  return ({ response }) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

/** A watch-list of these names, which goes on with these lines. */
export function watchList(
  names: readonly string[],
  resourceVersion: number,
  ...lines: readonly Line[]
): Answer {
  const added = names.map((name) => eventOf('ADDED', name, 1));
  return stream(...added, initialEventsEnd(resourceVersion), ...lines);
}

/** Says nothing at all. */
export const silence: Answer = () => undefined;

/** An API server that answers each request with the next of its answers, and with an open, quiet watch after. */
export class ScriptedApiServer {
  readonly #server: Server;
  readonly #answers: Answer[] = [];
  readonly #firsts: Answer[] = [];
  readonly #probes: Answer[] = [];
  /** Of the last watch; nothing has happened since, as far as is not scripted. */
  #watchedFrom = 0;
  /** The queries of the requests so far, to be awaited. */
  readonly requests = new Arrivals<URLSearchParams>();
  /** Those for `/readyz`, which are no others' exchanges. */
  readonly probes = new Arrivals<undefined>();
  /** The exchanges so far, to be gone on with. */
  readonly exchanges: Exchange[] = [];
  #port = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://server');
      const exchange = { query, response };
      response.on('error', () => undefined);
      if (pathname === '/readyz') {
        this.probes.add(undefined);
        (this.#probes.shift() ?? answer(200, 'ok'))(exchange);
        return;
      }
      const from = query.get('watch') === 'true' ? query.get('resourceVersion') : null;
      if (from !== null) this.#watchedFrom = Number(from);
      if (query.get('limit') === '1') {
        (this.#firsts.shift() ?? answer(200, listOf(['a'], this.#watchedFrom)))(exchange);
        return;
      }
      this.exchanges.push(exchange);
      (this.#answers.shift() ?? stream())(exchange);
      this.requests.add(query);
    });
  }

  get port(): number {
    return this.#port;
  }

  /** On a free port, and on the same one again after `stop`. */
  async start(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Breaks every connection and listens no more. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closing = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closing;
  }

  script(...answers: readonly Answer[]): void {
    this.#answers.push(...answers);
  }

  /** Answers, other than that `a` is still there, to those who ask for the first object alone after a loss. */
  scriptFirst(...answers: readonly Answer[]): void {
    this.#firsts.push(...answers);
  }

  /** Answers, other than that all is well, to those who ask for `/readyz`. */
  scriptProbe(...answers: readonly Answer[]): void {
    this.#probes.push(...answers);
  }

  /** The latest exchange, which may still be open. */
  get latest(): Exchange {
    const exchange = this.exchanges.at(-1);
    if (exchange === undefined) throw new Error('no request yet');
    return exchange;
  }
}
