import type { AuditEvent } from '../audit/audit-event.js';
import { anonymousName } from '../authentication/identity.js';
import { errorClass } from '../error-class.js';
import { loggedNameOf } from '../request/credentials.js';
import type { FilterListener } from '../request/middleware.js';
import type { Logger } from './server-options.js';

/** Bounds the lines that a flood of requests can cause. */
const linesPerSecond = 10;

/** Ten lines in each second of the clock. */
export class LineBudget {
  #second = 0;
  #lines = 0;
  #suppressed = 0;

  /** `now` in ms since the epoch; default Date.now. */
  constructor(private readonly now: () => number = Date.now) {}

  /** `write` gets the number of lines left out before, if any. */
  spend(write: (suppressed: { readonly suppressed?: number }) => void): void {
    const second = Math.floor(this.now() / 1000);
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

/** Unauthenticated clients, whose number is not bounded, have a budget of their own and hide no other refusal. */
type Kind = 'unauthenticated' | 'without credentials' | 'forbidden' | 'anonymous' | 'limited';

/** The longest name, path or reason (characters). */
const maxLength = 512;

/**
 * Logs why a request was refused, which the client does not learn, under the Audit-Id that the client can quote: which
 * authenticator refused and why, what the user may not read, or whose request limit is exceeded. At most ten lines a
 * second of each kind; the next line counts those left out. On level debug, every audited request has a line.
 */
export class RequestLog {
  readonly #budgets = new Map<Kind, LineBudget>();

  /** `now` in ms since the epoch; default Date.now. */
  constructor(
    private readonly logger: Logger,
    private readonly now: () => number = Date.now,
  ) {}

  readonly listen: FilterListener = (event) => {
    if (event.kind === 'failure') {
      const { error, auditId } = event;
      this.logger.error({ error: errorClass(error), auditId }, 'request failed');
    } else if (event.kind === 'audit') {
      this.logger.debug({ audit: event.event }, 'request');
      this.#logRefusal(event.event);
    }
  };

  #logRefusal(event: AuditEvent): void {
    const { code, identity, refusals, noCredentials, failure, annotations } = event;
    if (code === 401 && refusals !== undefined) {
      const kind = refusals.length === 0 ? 'without credentials' : 'unauthenticated';
      this.#logWithinBudget(kind, 'unauthenticated', event, () =>
        refusals.length === 0
          ? { reason: noCredentials }
          : { refusals: refusals.map((refusal) => ({ ...refusal, reason: shown(refusal.reason) })) },
      );
    } else if (code === 403 && failure?.reason === 'Forbidden') {
      const kind = identity?.name === anonymousName ? 'anonymous' : 'forbidden';
      this.#logWithinBudget(kind, 'forbidden', event, () => ({ reason: shown(reasonOf(event)) }));
    } else if (code === 429 && failure?.reason === 'TooManyRequests') {
      const reason = annotations['shardpaths.kcp.io/rejected'];
      this.#logWithinBudget('limited', 'too many requests', event, () => ({ reason }));
    }
  }

  #logWithinBudget(kind: Kind, message: string, event: AuditEvent, why: () => object): void {
    const budget = this.#budgets.get(kind) ?? new LineBudget(this.now);
    this.#budgets.set(kind, budget);
    budget.spend((suppressed) => {
      const { auditId, verb, path, sourceIps, identity } = event;
      const name = loggedNameOf(identity);
      const user = name !== undefined && { user: shown(name) };
      const fields = { auditId, ...user, verb: shown(verb), path: shown(path), ...why(), sourceIps };
      this.logger.info({ ...fields, ...suppressed }, message);
    });
  }
}

/** The answer itself tells an allowed client what is wrong; no reason is needed. */
function reasonOf({ annotations, failure }: AuditEvent): string {
  if (annotations['authorization.k8s.io/decision'] === 'allow') return failure?.message ?? '';
  const reason = annotations['authorization.k8s.io/reason'] ?? '';
  return reason === '' ? 'no authorizer allows it' : reason;
}

function shown(text: string): string {
  return visibleText(text.length > maxLength ? `${text.slice(0, maxLength)}…` : text);
}

/** Control characters, unusual blanks, marks that turn text around, and halves of characters. */
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const maxVisibleLength = 4096;

/**
 * The text on one line, with `\u{…}` in place of invisible characters: no value can end a line, control a terminal or
 * reverse the following text. Cut at 4,096 characters.
 */
export function visibleText(text: string): string {
  const cut = text.length <= maxVisibleLength ? text : `${text.slice(0, maxVisibleLength)}…`;
  return cut.replace(invisible, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
