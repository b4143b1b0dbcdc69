import type { Authenticator } from '../authentication/authenticator.js';
import type { Logger } from '../server/server-options.js';
import type { FilterMetrics } from '../telemetry/filter-metrics.js';
import type { RestClientMetrics, ReviewMetrics, ReviewPurpose } from '../telemetry/outgoing-metrics.js';
import type { GivenOptions } from './option.js';
import { OutageLog } from './outage-log.js';
import type { Opening } from './starting.js';

export interface AuthenticationContext extends Pick<Opening, 'files' | 'opened'> {
  readonly events: ReturnType<typeof authenticationEvents>;
}

/** Opens one method of authentication; undefined if no option asks for it. @throws UsageError naming the option. */
export type OpenAuthenticator = (
  given: GivenOptions,
  context: AuthenticationContext,
) => Promise<Authenticator | undefined>;

/** Logs and counts the events of running authenticators. */
export function authenticationEvents(logger: Logger, telemetry: FilterMetrics, review: ReviewEvents) {
  const failures = new Map<string, string>();
  return {
    /** A request carries a front proxy's headers without coming from one. */
    onSpoofedHeaders: telemetry.spoofedHeaders,
    /** A key download succeeded or failed; after a failure the previous keys stay in force. */
    onKeyRefresh: (flag: string, result: 'success' | 'failure', reason = 'unknown reason') => {
      telemetry.keyRefresh(flag, result);
      if (result === 'success') {
        if (failures.delete(flag)) logger.info({ flag }, 'key downloads succeed again');
      } else if (failures.get(flag) !== reason) {
        failures.set(flag, reason);
        logger.warn({ flag }, `key download failed: ${reason}; the previous keys stay in force`);
      }
    },
    review: review.tokens,
  };
}

export type ReviewEvents = ReturnType<typeof reviewEvents>;

/** Logs and counts questions to other servers, about tokens and about access. */
export function reviewEvents(logger: Logger, metrics: ReviewMetrics, requests: RestClientMetrics) {
  const eventsOf = (type: ReviewPurpose) => {
    const outage = new OutageLog(logger, {
      failure: 'a review failed',
      recovery: 'reviews succeed again',
      fields: { reviewer: type },
    });
    return {
      onRequest: metrics.request.bind(metrics, type),
      onUnasked: metrics.unasked.bind(undefined, type),
      onWarning: logger.warn.bind(logger, { reviewer: type }),
      onApiRequest: requests.request.bind(requests),
      onReview: ({
        result,
        message = 'no answer',
      }: {
        readonly result: string;
        readonly message?: string;
      }) => {
        if (result !== 'error') outage.answered();
        else {
          metrics.failure(type);
          outage.failed(message);
        }
      },
    };
  };
  return {
    tokens: { ...eventsOf('authn'), onCache: metrics.tokenCache },
    access: { ...eventsOf('authz'), onCache: metrics.decisionCache },
  };
}
