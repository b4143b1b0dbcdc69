import type { RequestObservation } from '../api-client/api-client.js';
import type { TokenReviewObserver } from '../authentication/token-review/token-review-observer.js';
import type { SubjectAccessReviewObserver } from '../authorization/subject-access-review/subject-access-review-observer.js';
import type { Logger } from '../server/logger.js';
import type { RestClientMetrics } from '../telemetry/rest-client-metrics.js';
import type { ReviewMetrics, ReviewPurpose } from '../telemetry/review-metrics.js';
import type { ReviewerEvents } from './reviewer.js';

export type TokenReviewEvents = ReviewerEvents & TokenReviewObserver;

/** What is logged and counted of questions to other servers. */
export interface ReviewEvents {
  readonly tokens: TokenReviewEvents;
  readonly access: ReviewerEvents & SubjectAccessReviewObserver;
}

export function reviewEvents(
  logger: Logger,
  metrics: ReviewMetrics,
  requests: RestClientMetrics,
): ReviewEvents {
  const onReview = (type: ReviewPurpose): ((observation: ReviewObservation) => void) => {
    const outage = new OutageLog(logger, type);
    return (observation) => {
      if (observation.result === 'error') metrics.failure(type);
      outage.look(observation);
    };
  };
  const reviewer = (type: ReviewPurpose): ReviewerEvents => ({
    onRequest: (request) => {
      metrics.request(type, request);
    },
    onUnasked: (cause) => {
      metrics.unasked(type, cause);
    },
    onWarning: (message) => {
      logger.warn({ reviewer: type }, message);
    },
    onApiRequest: (observation: RequestObservation) => {
      requests.request(observation);
    },
  });
  return {
    tokens: {
      ...reviewer('authn'),
      onCache: (result) => {
        metrics.tokenCache(result);
      },
      onReview: onReview('authn'),
    },
    access: {
      ...reviewer('authz'),
      onCache: (result) => {
        metrics.decisionCache(result);
      },
      onReview: onReview('authz'),
    },
  };
}

interface ReviewObservation {
  readonly result: string;
  /** Of an error. */
  readonly message?: string;
}

/** How often the same reviewer's failures are told (ms). */
const repeatMs = 10_000;

/** Says when a reviewer stops answering and when it answers again, and not a line for each question between. */
class OutageLog {
  #toldAt: number | undefined;

  constructor(
    private readonly logger: Logger,
    private readonly type: ReviewPurpose,
  ) {}

  look({ result, message = 'no answer' }: ReviewObservation): void {
    const now = performance.now();
    if (result === 'error') {
      if (this.#toldAt !== undefined && now - this.#toldAt < repeatMs) return;
      this.#toldAt = now;
      this.logger.warn({ reviewer: this.type }, `a review failed: ${message}`);
    } else if (this.#toldAt !== undefined) {
      this.#toldAt = undefined;
      this.logger.info({ reviewer: this.type }, 'reviews are answered again');
    }
  }
}
