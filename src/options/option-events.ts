import type { ReloadResult } from '../files/followed-files.js';
import type { Logger } from '../server/server-options.js';
import type { FilterMetrics } from '../telemetry/filter-metrics.js';
import type { FollowedOptionFiles } from './followed-option-files.js';
import type { Opened } from './starting.js';
import type { TokenReviewObserver } from '../authentication/tokens/token-review.js';
import type { SubjectAccessReviewObserver } from '../authorization/subject-access-review.js';
import type { RequestObservation } from '../kubernetes/api-client.js';
import type { ReviewClient, ReviewClientOptions } from '../kubernetes/reviews/review-client.js';
import type { ReviewKind, ReviewObserver, ReviewVersion } from '../kubernetes/reviews/review-kind.js';
import type { RestClientMetrics, ReviewMetrics, ReviewPurpose } from '../telemetry/outgoing-metrics.js';
import type { Option } from './option.js';
import { OutageLog } from './outage-log.js';
import { usageError } from './usage-error.js';

/** What happens to authenticators while they run. */
export interface AuthenticationEvents {
  /** A file that an option names is looked at from now on. */
  readonly onFollowed: (flag: string) => void;
  /** A file that an option names has changed; where it cannot be used, the one before stays in force. */
  readonly onReload: (flag: string, result: ReloadResult) => void;
  /** A request has a front proxy's headers, and comes from none. */
  readonly onSpoofedHeaders: () => void;
  /** The keys that an option's server publishes were downloaded, or not; then those before stay in force. */
  readonly onKeyRefresh: (flag: string, result: 'success' | 'failure', reason?: string) => void;
  readonly review: TokenReviewEvents;
}

/** What the functions that open authenticators share. */
export interface AuthenticationContext {
  readonly files: FollowedOptionFiles;
  readonly events: AuthenticationEvents;
  /** Closed with the authenticators. */
  readonly opened: Opened;
}

/** Logs and counts what happens to authenticators while they run. */
export function authenticationEvents(
  logger: Logger,
  telemetry: FilterMetrics,
  review: ReviewEvents,
): Omit<AuthenticationEvents, 'onFollowed' | 'onReload'> {
  const failures = new Map<string, string>();
  return {
    onSpoofedHeaders: () => {
      telemetry.spoofedHeaders();
    },
    onKeyRefresh: (flag, result, reason = 'unknown reason') => {
      telemetry.keyRefresh(flag, result);
      if (result === 'success') {
        if (failures.delete(flag)) logger.info({ flag }, 'keys are downloaded again');
      } else if (failures.get(flag) !== reason) {
        failures.set(flag, reason);
        logger.warn({ flag }, `keys not downloaded: ${reason}; those before stay in force`);
      }
    },
    review: review.tokens,
  };
}

/** Another server that answers reviews, as options name it. */
export interface Reviewer {
  /** The option that names it. */
  readonly option: Option;
  readonly kubeconfig: string;
  /** An API server is asked below `/apis`, a webhook at its kubeconfig's URL itself. */
  readonly target: ReviewClientOptions['target'];
  readonly version: ReviewVersion;
}

export interface ReviewerEvents extends ReviewObserver {
  readonly onWarning: (message: string) => void;
  readonly onApiRequest: (observation: RequestObservation) => void;
}

/** Nothing is asked yet. @throws UsageError naming the option. */
export async function openReviewer(
  { option, kubeconfig, target, version }: Reviewer,
  kind: ReviewKind,
  events: ReviewerEvents,
  opened: Opened,
): Promise<ReviewClient> {
  const { openApiClient } = await import('../kubernetes/kubeconfig/kubeconfig-client.js');
  const { ReviewClient } = await import('../kubernetes/reviews/review-client.js');
  try {
    const { onWarning, onApiRequest: onRequest } = events;
    const client = opened.add(await openApiClient({ kubeconfig, onWarning, onRequest }));
    return opened.add(new ReviewClient({ client, kind, target, version, observer: events }));
  } catch (error) {
    throw usageError(option.name, error);
  }
}

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
