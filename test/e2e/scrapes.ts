import { EventEmitter, once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { RawClient, type RawHeaders } from '../support/raw-tls.js';
import { percentiles, type Percentiles } from './figures.js';
import { waitedMs } from './stopwatch.js';

/** One scrape and its end. Times are of `performance.now()`. */
export interface Scrape {
  readonly who: string;
  /** When it was to be sent; that it had to wait for the one before counts as a delay of its answer. */
  readonly dueAt: number;
  readonly sentAt: number;
  readonly answeredAt: number;
  /** `waitedMs` of stopwatch.ts at its answer; 0 unless they are `isTimed`. */
  readonly waitedMs: number;
  /** Its status, or why there was none. */
  readonly answer: number | string;
}

/** Of the times at which scrapes are sent. By default from the first to the last. */
export interface Between {
  readonly from?: number;
  readonly to?: number;
}

/** How somebody connects, and the token they bring, asked for at each scrape. */
export interface Scraper extends ConnectionOptions {
  readonly bearerToken?: () => string;
}

export interface ScrapesOptions {
  /** Of the filter, on 127.0.0.1. */
  readonly port: number;
  /** By name. */
  readonly scrapers: ReadonlyMap<string, Scraper>;
  /** Of all of them together. Default 50. */
  readonly perSecond?: number;
  /** For `ownPercentiles`. */
  readonly isTimed?: boolean;
}

type Answer = Scrape['answer'];

const dueOf = ({ dueAt, sentAt }: Scrape): number => Math.min(dueAt, sentAt);

const answerDeadlineMs = 10_000;
const waitMs = 60_000;

/**
 * Scrapes of /metrics at a steady rate until `stop()`, by each scraper on a TLS connection that it keeps. All are
 * remembered, so that a test can say at its end who was to be served when.
 */
export class Scrapes {
  readonly #all: Scrape[] = [];
  readonly #scrapers: readonly string[];
  readonly #answers = new EventEmitter<{ scrape: [] }>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;
  readonly #isTimed: boolean;

  constructor({ port, scrapers, perSecond = 50, isTimed = false }: ScrapesOptions) {
    this.#isTimed = isTimed;
    const intervalMs = (1_000 * scrapers.size) / perSecond;
    const startedAt = performance.now();
    this.#scrapers = [...scrapers.keys()];
    this.#running = Promise.all(
      [...scrapers].map(([who, scraper], at) =>
        // One after the other, not all at the same moment.
        this.#scrape(who, { ...scraper, port }, startedAt + (at * 1_000) / perSecond, intervalMs),
      ),
    );
  }

  /** In the order of their answers. */
  of(who: string, { from = -Infinity, to = Infinity }: Between = {}): readonly Scrape[] {
    return this.#all.filter((scrape) => scrape.who === who && scrape.sentAt >= from && scrape.sentAt < to);
  }

  /** Those that were not served: refused, failed, or never answered. */
  failuresOf(who: string, between?: Between): readonly Scrape[] {
    return this.of(who, between).filter(({ answer }) => answer !== 200);
  }

  servedTo(who: string, between?: Between): readonly Scrape[] {
    return this.of(who, between).filter(({ answer }) => answer === 200);
  }

  /** Of the time from when they were due to their answers (ms). */
  percentiles(between: Between = {}): Percentiles {
    const { from = -Infinity, to = Infinity } = between;
    const scrapes = this.#all.filter(({ sentAt }) => sentAt >= from && sentAt < to);
    return percentiles(scrapes.map((scrape) => scrape.answeredAt - dueOf(scrape)));
  }

  /** The same without what the processes have waited for a processor since the last answer before each was due. */
  ownPercentiles(): Percentiles {
    const [first] = this.#all;
    return percentiles(
      this.#all.map((scrape) => {
        const before = this.#all.findLast(({ answeredAt }) => answeredAt <= dueOf(scrape)) ?? first;
        const waited = scrape.waitedMs - (before?.waitedMs ?? NaN);
        return Math.max(0, scrape.answeredAt - dueOf(scrape) - Math.max(0, waited));
      }),
    );
  }

  /** The first, sent from then on, that is answered so: it may have been already. Rejects after 60 s. */
  async first(who: string, answer: Answer, from = performance.now()): Promise<Scrape> {
    return this.#until(
      () => this.of(who, { from }).find((scrape) => scrape.answer === answer),
      `${who} is not answered ${answer}`,
    );
  }

  /** Resolves when each scraper has been answered so many times more. Rejects after 60 s. */
  async more(count = 10): Promise<void> {
    const from = performance.now();
    const has = (who: string): boolean => this.of(who, { from }).length >= count;
    await this.#until(
      () => this.#scrapers.every(has) || undefined,
      `not everybody is answered ${count} times`,
    );
  }

  /** Resolves when none is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** What `find` finds, as soon as it does; it is asked at each answer. */
  async #until<Found>(find: () => Found | undefined, otherwise: string): Promise<Found> {
    const signal = AbortSignal.timeout(waitMs);
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await once(this.#answers, 'scrape', { signal }).catch(() => {
        throw new Error(`${otherwise}, after ${waitMs / 1_000} s`);
      });
    }
  }

  async #scrape(
    who: string,
    { bearerToken, ...connection }: Scraper,
    firstAt: number,
    intervalMs: number,
  ): Promise<void> {
    const client = new RawClient(connection);
    for (let dueAt = firstAt; await this.#isStillDue(dueAt); dueAt += intervalMs) {
      const sentAt = performance.now();
      const answer = await statusOf(client, bearerToken?.());
      const answeredAt = performance.now();
      this.#all.push({
        who,
        dueAt,
        sentAt,
        answeredAt,
        waitedMs: this.#isTimed ? waitedMs('main') : 0,
        answer,
      });
      this.#answers.emit('scrape');
    }
    client.close();
  }

  /** Waits for the time; false when this was stopped by then. */
  async #isStillDue(at: number): Promise<boolean> {
    const { signal } = this.#stopping;
    await setTimeout(Math.max(0, at - performance.now()), undefined, { signal }).catch(() => undefined);
    return !signal.aborted;
  }
}

/** Or why there is none. */
async function statusOf(client: RawClient, token: string | undefined): Promise<Answer> {
  const answered = new AbortController();
  const late = setTimeout(answerDeadlineMs, 'no answer within 10 s', { signal: answered.signal });
  const headers: RawHeaders = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const scrape = client.request('/metrics', { headers }).then(({ status }) => status);
  const answer = await Promise.race([scrape, late]).catch((error: unknown) => String(error));
  late.catch(() => undefined);
  answered.abort();
  if (typeof answer === 'string') client.close();
  return answer;
}
