import type { Logger } from '../server/server-options.js';

interface OutageWords {
  /** What fails without the other server; the reason follows. */
  readonly failure: string;
  /** Logged when it works again. Default: nothing is logged. */
  readonly recovery?: string;
  /** Logged with both. */
  readonly fields?: object;
}

/** Failures are logged at most this often (ms). */
const repeatMs = 10_000;

/**
 * Logs when another server stops answering and when it answers again, without a line for each request in between: at most
 * one of each in ten seconds, even if every other request succeeds. The next line counts the failures left out.
 */
export class OutageLog {
  readonly #logger: Logger;
  readonly #words: OutageWords;
  readonly #now: () => number;
  #toldAt = -Infinity;
  #isRecoveryDue = false;
  #suppressed = 0;

  /** `now`: a monotonic clock in ms; default performance.now. */
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
