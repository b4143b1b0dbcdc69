import type { AuditEvent } from '../http/audit.js';
import type { Logger } from './logger.js';

/** A flood of bad tokens, or of requests, must not become a flood of lines. */
const linesPerSecond = 10;

/**
 * Says why somebody was not let in, which his client is not told: which method had what against his credentials,
 * or whose share of requests is used up, under the Audit-Id that he can quote. At most ten lines a second of each kind;
 * those left out are counted in the next.
 */
export class RefusalLog {
  readonly #logger: Logger;
  readonly #unauthenticated: LineBudget;
  readonly #limited: LineBudget;

  /** `now` in ms since the epoch; default Date.now. */
  constructor(logger: Logger, now: () => number = Date.now) {
    this.#logger = logger;
    this.#unauthenticated = new LineBudget(now);
    this.#limited = new LineBudget(now);
  }

  /** Looks at every request's end. */
  write({ auditId, code, refusals, path, identity, sourceIps, failure, annotations }: AuditEvent): void {
    if (code === 401 && refusals !== undefined) {
      this.#unauthenticated.spend((suppressed) => {
        this.#logger.info({ auditId, path, refusals, ...suppressed }, 'unauthenticated');
      });
    } else if (code === 429 && failure?.reason === 'TooManyRequests') {
      const reason = annotations['shardpaths.kcp.io/rejected'];
      const user = identity === undefined ? {} : { user: identity.name };
      this.#limited.spend((suppressed) => {
        this.#logger.info({ auditId, path, reason, sourceIps, ...user, ...suppressed }, 'too many requests');
      });
    }
  }
}

/** So many lines in each second of the clock. */
class LineBudget {
  readonly #now: () => number;
  #second = 0;
  #lines = 0;
  #suppressed = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** `write` is given the count of lines left out before, if there are any. */
  spend(write: (suppressed: { readonly suppressed?: number }) => void): void {
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
    write(suppressed);
  }
}
