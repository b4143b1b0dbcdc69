import type { Logger } from '../server/server-options.js';

interface OutageWords {
  /** What cannot be done without the other server; why follows. */
  readonly failure: string;
  /** That it can be done again. Default: nothing is said of it. */
  readonly recovery?: string;
  /** Stand beside both. */
  readonly fields?: object;
}

/** How often failures are told (ms). */
const repeatMs = 10_000;

/**
 * Says when another server stops answering and when it answers again, and not a line for each request between: at most
 * one of either in ten seconds, even where it answers every other request. Failures left out are counted in the next.
 */
export class OutageLog {
  readonly #logger: Logger;
  readonly #words: OutageWords;
  readonly #now: () => number;
  #toldAt = -Infinity;
  #isRecoveryDue = false;
  #suppressed = 0;

  /** `now` in ms that only go forward; default performance.now. */
  constructor(logger: Logger, words: OutageWords, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#words = words;
    this.#now = now;
  }

  /** `why` is one line. */
  failed(why: string): void {
    const now = this.#now();
    if (now - this.#toldAt < repeatMs) {
      this.#suppressed += 1;
      return;
    }
    const suppressed = this.#suppressed === 0 ? {} : { suppressed: this.#suppressed };
    this.#toldAt = now;
    this.#isRecoveryDue = true;
    this.#suppressed = 0;
    this.#logger.warn({ ...this.#words.fields, ...suppressed }, `${this.#words.failure}: ${why}`);
  }

  answered(): void {
    const { recovery, fields } = this.#words;
    if (!this.#isRecoveryDue || recovery === undefined) return;
    this.#isRecoveryDue = false;
    this.#logger.info({ ...fields }, recovery);
  }
}
