import type { Reviewer } from '../../kubernetes/reviews/review-client.js';
import { ReviewError } from '../../kubernetes/reviews/review-error.js';
import { tellObserver } from '../../kubernetes/reviews/review-observer.js';
import { errorClass } from '../../error-class.js';
import { isResourcePath } from '../../paths/resource-path.js';
import {
  allow,
  noOpinion,
  resourceRequest,
  type Attributes,
  type Authorizer,
  type Decision,
} from '../authorizer.js';
import { KnownDecisions, type KnownDecision } from './known-decisions.js';
import { SubjectAccessReviewError } from './subject-access-review-error.js';
import type {
  SubjectAccessReviewObservation,
  SubjectAccessReviewObserver,
} from './subject-access-review-observer.js';
import { QuestionKeys, subjectAccessReviewSpec } from './subject-access-review-spec.js';
import { parseSubjectAccessReviewStatus } from './subject-access-review-status.js';
import { within } from './within.js';

export interface SubjectAccessReviewOptions {
  /** Asked with `subjectAccessReview` objects. */
  readonly reviewer: Reviewer;
  /** How long an allow is believed (ms). 0: it is asked every time. Default 10,000. */
  readonly authorizedTtlMs?: number;
  /** The same for a deny, and for no opinion. Default 10,000. */
  readonly unauthorizedTtlMs?: number;
  /** How long beyond that an allow stands in for an answer that does not come (ms). Default 0: never. */
  readonly staleTtlMs?: number;
  /** How many allows are remembered, and how many other decisions. Default 8,192 each. */
  readonly limit?: number;
  /** Milliseconds that only go forward; default performance.now: no allow lives longer because a clock is set back. */
  readonly now?: () => number;
  readonly observer?: SubjectAccessReviewObserver;
}

/**
 * Asks a reviewer: `--authorization-kubeconfig` and `--authorization-webhook-config-file`. It throws
 * SubjectAccessReviewError where the reviewer gives no answer and no earlier allow may stand in for it.
 */
export function subjectAccessReviewAuthorizer(options: SubjectAccessReviewOptions): Authorizer {
  const reviews = new SubjectAccessReviews(options);
  return {
    name: 'Webhook',
    authorize: (attributes) => reviews.authorize(attributes),
  };
}

const tooLong: Decision = Object.freeze(noOpinion('not asked: the verb or the path is too long'));
const defaultNow = (): number => performance.now();
const maxVerbLength = 64;
const maxPathLength = 8 * 1024;

/** How long a request waits for the end of an outage, where it can do without (ms). */
const staleWaitMs = 100;

class SubjectAccessReviews {
  readonly #options: SubjectAccessReviewOptions;
  readonly #staleTtlMs: number;
  readonly #now: () => number;
  readonly #keys = new QuestionKeys();
  readonly #known: KnownDecisions;
  readonly #underWay = new Map<string, Promise<Decision>>();

  constructor(options: SubjectAccessReviewOptions) {
    const { staleTtlMs = 0, limit = 8192, now = defaultNow } = options;
    this.#options = options;
    this.#staleTtlMs = staleTtlMs;
    this.#now = now;
    this.#known = new KnownDecisions(limit);
  }

  authorize(attributes: Attributes): Decision | Promise<Decision> {
    const { verb, path } = attributes;
    if (verb.length > maxVerbLength || path.length > maxPathLength) return tooLong;
    // A server that is asked for it as a non-resource path decides by the rules of those.
    if (isResourcePath(path)) return resourceRequest;
    const key = this.#keys.of(attributes);
    const known = this.#known.get(key);
    if (known !== undefined && this.#now() < known.validUntil) {
      this.#tellCache('hit');
      return known.decision;
    }
    this.#tellCache('miss');
    return this.#decide(key, attributes);
  }

  async #decide(key: string, attributes: Attributes): Promise<Decision> {
    const mayWait = this.#stale(key) === undefined || !this.#options.reviewer.isFailing;
    const review = this.#underWay.get(key) ?? this.#begin(key, attributes);
    try {
      // Given up early, the review goes on: what it finds out holds for the next request.
      const decision = await (mayWait ? review : within(review, staleWaitMs));
      if (decision !== undefined) return decision;
    } catch (error) {
      const standIn = this.#standIn(key);
      if (standIn === undefined) throw error;
      return standIn;
    }
    return this.#standIn(key) ?? review;
  }

  /** One review, however many requests ask the same meanwhile. */
  #begin(key: string, attributes: Attributes): Promise<Decision> {
    const review = this.#review(key, attributes).finally(() => {
      this.#underWay.delete(key);
    });
    this.#underWay.set(key, review);
    return review;
  }

  /** @throws SubjectAccessReviewError */
  async #review(key: string, attributes: Attributes): Promise<Decision> {
    const { reviewer, observer } = this.#options;
    const isKnown = this.#known.get(key)?.decision.decision === 'allow';
    const startedAt = performance.now();
    const tell = (observation: SubjectAccessReviewObservation): void => {
      tellObserver(() => observer?.onReview?.(observation));
    };
    const seconds = (): number => (performance.now() - startedAt) / 1000;
    try {
      const spec = subjectAccessReviewSpec(attributes, reviewer.version);
      const decision = parseSubjectAccessReviewStatus(await reviewer.review(spec, { isKnown }));
      this.#known.set(key, { decision, validUntil: this.#now() + this.#ttlMs(decision) });
      tell({ result: decision.decision, seconds: seconds() });
      return decision;
    } catch (error) {
      const message = error instanceof ReviewError ? error.message : errorClass(error);
      tell({ result: 'error', message, seconds: seconds() });
      throw new SubjectAccessReviewError(message);
    }
  }

  #ttlMs({ decision }: Decision): number {
    const { authorizedTtlMs = 10_000, unauthorizedTtlMs = 10_000 } = this.#options;
    return decision === 'allow' ? authorizedTtlMs : unauthorizedTtlMs;
  }

  /** The last answer, where it was an allow that may still stand in for the next. */
  #stale(key: string): KnownDecision | undefined {
    const known = this.#known.get(key);
    const isStale = known?.decision.decision === 'allow' && this.#now() < known.validUntil + this.#staleTtlMs;
    return isStale ? known : undefined;
  }

  #standIn(key: string): Decision | undefined {
    const stale = this.#stale(key);
    if (stale === undefined) return undefined;
    this.#tellCache('stale');
    const { decision, validUntil } = stale;
    const seconds = Math.round((this.#now() - validUntil) / 1000);
    const words = `stale for ${seconds}s, the reviewer does not answer`;
    return allow(decision.reason === '' ? words : `${words}: ${decision.reason}`);
  }

  #tellCache(result: 'hit' | 'miss' | 'stale'): void {
    tellObserver(() => this.#options.observer?.onCache?.(result));
  }
}
