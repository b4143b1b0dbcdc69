import type { RequestObservation } from '../../kubernetes/api-client.js';
import type { TokenReviewObserver } from '../../authentication/tokens/token-review.js';
import type { Logger } from '../../server/logger.js';
import type { RestClientMetrics, ReviewMetrics, ReviewPurpose } from '../../telemetry/outgoing-metrics.js';
import { OutageLog } from '../outage-log.js';
import type { ReviewerEvents } from './reviewer.js';
import type { SubjectAccessReviewObserver } from '../../authorization/subject-access-review.js';

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
    const outage = new OutageLog(logger, {
      failure: 'a review failed',
      recovery: 'reviews are answered again',
      fields: { reviewer: type },
    });
    return ({ result, message = 'no answer' }) => {
      if (result === 'error') {
        metrics.failure(type);
        outage.failed(message);
      } else outage.answered();
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
