import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { once, setMaxListeners } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { keyPairOf } from '../support/raw-tls.js';
import type { Expected } from './expected.js';

export interface Credentials {
  readonly certificate?: IssuedCertificate;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** As it was before it was compressed. */
  readonly body: Buffer;
  /** SHA-256 of the certificate that was served; of a resumed session's, none. */
  readonly servedCertificate: string | undefined;
  readonly sentAt: number;
  readonly answeredAt: number;
}

export interface Scraper {
  readonly who: string;
  readonly expected: Expected<number>;
  /** Asked at each scrape. */
  readonly credentials: () => Credentials;
  /** Default `/metrics`. */
  readonly path?: string;
  /** Opens a connection for each scrape; default: keeps one. */
  readonly isFresh?: boolean;
  /** What is wrong with an answer whose status is right. */
  readonly judge?: (answer: Answer) => string | undefined;
}

export interface ScrapersOptions {
  readonly port: number;
  readonly servingAuthority: string;
  readonly scrapers: readonly Scraper[];
  /** Of each of them. */
  readonly perSecond: number;
}

/** One that was served, and how long it took from the time at which it was due (ms). */
export interface Served {
  readonly dueAt: number;
  readonly tookMs: number;
}

const answerDeadlineMs = 10_000;
const keptFaults = 20;
const decompressed = promisify(gunzip);

/** Scrapes at a steady rate until `stop()`, each judged as it is answered. */
export class Scrapers {
  readonly served: Served[] = [];
  count = 0;
  /** Answers that were not right. */
  wrong = 0;
  /** Those among them that had to be served and were not. */
  failed = 0;
  /** The first of what was wrong, in words. */
  readonly faults: string[] = [];
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(private readonly options: ScrapersOptions) {
    const { scrapers, perSecond } = options;
    setMaxListeners(0, this.#stopping.signal);
    const startedAt = performance.now();
    const intervalMs = 1_000 / perSecond;
    this.#running = Promise.all(
      scrapers.map((scraper, at) =>
        this.#scrape(scraper, at, startedAt + (at * intervalMs) / scrapers.length),
      ),
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #scrape(scraper: Scraper, at: number, firstAt: number): Promise<void> {
    const connection = new Connection(this.options, scraper.isFresh ?? false, `127.0.1.${at + 1}`);
    const { signal } = this.#stopping;
    const intervalMs = 1_000 / this.options.perSecond;
    for (let dueAt = firstAt; ; dueAt = Math.max(dueAt + intervalMs, performance.now() - intervalMs)) {
      await setTimeout(Math.max(0, dueAt - performance.now()), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      const sentAt = performance.now();
      const answer = await connection.get(scraper.path ?? '/metrics', scraper.credentials()).catch(String);
      this.#judge(scraper, dueAt, sentAt, answer);
    }
    connection.close();
  }

  #judge({ who, expected, judge }: Scraper, dueAt: number, sentAt: number, answer: Answer | string): void {
    this.count += 1;
    const answeredAt = performance.now();
    const right = expected.between(sentAt, answeredAt);
    const status = typeof answer === 'string' ? 0 : answer.status;
    if (status === 200) this.served.push({ dueAt, tookMs: answeredAt - Math.min(dueAt, sentAt) });
    const fault = right.includes(status)
      ? judge?.(answer as Answer)
      : `${typeof answer === 'string' ? answer : status} in place of ${right.join(' or ')}`;
    if (fault === undefined) return;
    this.wrong += 1;
    if (right.every((each) => each === 200)) this.failed += 1;
    if (this.faults.length < keptFaults) this.faults.push(`${who}, ${new Date().toISOString()}: ${fault}`);
  }
}

/** The way of one scraper, from an address of his own, to the server. */
class Connection {
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #certificate: IssuedCertificate | undefined;

  constructor(
    private readonly options: ScrapersOptions,
    private readonly isFresh: boolean,
    private readonly localAddress: string,
  ) {}

  async get(path: string, { certificate, headers = {} }: Credentials): Promise<Answer> {
    if (certificate !== this.#certificate) {
      this.close();
      this.#certificate = certificate;
      this.#agent = new Agent({ keepAlive: true, maxSockets: 1 });
    }
    const sentAt = performance.now();
    const { port, servingAuthority } = this.options;
    const signal = AbortSignal.timeout(answerDeadlineMs);
    const sent = request({
      host: '127.0.0.1',
      servername: 'localhost',
      localAddress: this.localAddress,
      port,
      path,
      ca: servingAuthority,
      ...keyPairOf(certificate),
      headers: { 'User-Agent': 'Prometheus/3.5.0', 'X-Prometheus-Scrape-Timeout-Seconds': '10', ...headers },
      agent: this.isFresh ? false : this.#agent,
      signal,
    });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    // Asked before the end of the body, when the socket is let go.
    const { socket } = response;
    const served = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.fingerprint256 : undefined;
    const bytes = await buffer(response);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: response.headers['content-encoding'] === 'gzip' ? await decompressed(bytes) : bytes,
      servedCertificate: served,
      sentAt,
      answeredAt: performance.now(),
    };
  }

  close(): void {
    this.#agent.destroy();
  }
}
