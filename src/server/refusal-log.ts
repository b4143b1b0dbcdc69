import type { AuditEvent } from '../http/audit.js';
import { LineBudget } from './line-budget.js';
import type { Logger } from './logger.js';

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
