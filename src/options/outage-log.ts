import type { Logger } from '../server/server-options.js';

/** Failures are logged at most this often (ms). */
const repeatMs = 10_000;

/**
 * Logs when another server stops answering and when it answers again, without a line for each request in between: at most
 * one of each in ten seconds, even if every other request succeeds. The next line counts the failures left out.
 */
export class OutageLog {
  #toldAt = -Infinity;
  #isRecoveryDue = false;
  #suppressed = 0;

  /**
   * `failure`: what fails without the other server; the reason follows. `recovery` is logged when it works again,
   * `fields` with both. `now`: a monotonic clock in ms; default performance.now.
   */
  constructor(
    private readonly logger: Logger,
    private readonly words: {
      readonly failure: string;
      readonly recovery?: string;
      readonly fields?: object;
    },
    private readonly now = () => performance.now(),
  ) {}

  /** `why` is one line. */
  failed(why: string): void {
    const now = this.now();
    if (now - this.#toldAt < repeatMs) {
      this.#suppressed += 1;
      return;
    }
    const suppressed = this.#suppressed === 0 ? {} : { suppressed: this.#suppressed };
    this.#toldAt = now;
    this.#isRecoveryDue = true;
    this.#suppressed = 0;
    this.logger.warn({ ...this.words.fields, ...suppressed }, `${this.words.failure}: ${why}`);
  }

  answered(): void {
    const { recovery, fields } = this.words;
    if (!this.#isRecoveryDue || recovery === undefined) return;
    this.#isRecoveryDue = false;
    this.logger.info({ ...fields }, recovery);
  }
}
