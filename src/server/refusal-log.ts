import type { AuditEvent } from '../http/audit.js';
import type { Logger } from './logger.js';

/** A flood of bad tokens must not become a flood of lines. */
const linesPerSecond = 10;

/**
 * Says why somebody was not let in, which his client is not told: which method had what against his credentials,
 * under the Audit-Id that he can quote. At most ten lines a second; those left out are counted in the next.
 */
export class RefusalLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  #second = 0;
  #lines = 0;
  #suppressed = 0;

  /** `now` in ms since the epoch; default Date.now. */
  constructor(logger: Logger, now: () => number = Date.now) {
    this.#logger = logger;
    this.#now = now;
  }

  /** Looks at every request's end. */
  write({ auditId, code, refusals, path }: AuditEvent): void {
    if (code !== 401 || refusals === undefined) return;
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
    }
    if (this.#lines >= linesPerSecond) {
      this.#suppressed += 1;
      return;
    }
    this.#lines += 1;
    const suppressed = this.#suppressed === 0 ? {} : { suppressed: this.#suppressed };
    this.#suppressed = 0;
    this.#logger.info({ auditId, path, refusals, ...suppressed }, 'unauthenticated');
  }
}
