import { anonymousName } from '../authentication/identity.js';
import type { AuditEvent } from '../request/steps/audit.js';
import { visibleText } from './z-pages/shown-text.js';
import { LineBudget } from './line-budget.js';
import type { Logger } from './logger.js';

/** Strangers, who can come as often as they like, have a budget of their own: they hide nobody else's refusal. */
type Kind = 'unauthenticated' | 'without credentials' | 'forbidden' | 'anonymous' | 'limited';

/** Of a name, a path or a reason (characters). */
const maxLength = 512;

/**
 * Says why a request was refused, which its client is not told: which method had what against its credentials, what its
 * user may not read, or whose share of requests is used up, under the Audit-Id that the client can quote. At most ten
 * lines a second of each kind; those left out are counted in the next.
 */
export class RefusalLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #budgets = new Map<Kind, LineBudget>();

  /** `now` in ms since the epoch; default Date.now. */
  constructor(logger: Logger, now: () => number = Date.now) {
    this.#logger = logger;
    this.#now = now;
  }

  /** Looks at every request's end. */
  write(event: AuditEvent): void {
    const { code, identity, refusals, noCredentials, failure, annotations } = event;
    if (code === 401 && refusals !== undefined) {
      if (refusals.length === 0) {
        this.#say('without credentials', 'unauthenticated', event, () => ({ reason: noCredentials }));
      } else {
        this.#say('unauthenticated', 'unauthenticated', event, () => ({
          refusals: refusals.map((refusal) => ({ ...refusal, reason: shown(refusal.reason) })),
        }));
      }
    } else if (code === 403 && failure?.reason === 'Forbidden') {
      const kind = identity?.name === anonymousName ? 'anonymous' : 'forbidden';
      this.#say(kind, 'forbidden', event, () => ({ reason: shown(reasonOf(event)) }));
    } else if (code === 429 && failure?.reason === 'TooManyRequests') {
      const reason = annotations['shardpaths.kcp.io/rejected'];
      this.#say('limited', 'too many requests', event, () => ({ reason }));
    }
  }

  #say(kind: Kind, message: string, event: AuditEvent, why: () => object): void {
    let budget = this.#budgets.get(kind);
    if (budget === undefined) {
      budget = new LineBudget(this.#now);
      this.#budgets.set(kind, budget);
    }
    budget.spend((suppressed) => {
      const { auditId, verb, path, sourceIps, identity } = event;
      const user = identity === undefined ? {} : { user: shown(identity.name) };
      const fields = { auditId, ...user, verb: shown(verb), path: shown(path), ...why(), sourceIps };
      this.#logger.info({ ...fields, ...suppressed }, message);
    });
  }
}

/** Of those who were allowed, the answer alone says what they lack. */
function reasonOf({ annotations, failure }: AuditEvent): string {
  if (annotations['authorization.k8s.io/decision'] === 'allow') return failure?.message ?? '';
  const reason = annotations['authorization.k8s.io/reason'] ?? '';
  return reason === '' ? 'no authorizer allows it' : reason;
}

function shown(text: string): string {
  return visibleText(text.length > maxLength ? `${text.slice(0, maxLength)}…` : text);
}
