import type { Logger } from '../server/server-options.js';
import type { FilterMetrics } from '../telemetry/filter-metrics.js';
import type { RestClientMetrics, ReviewMetrics, ReviewPurpose } from '../telemetry/outgoing-metrics.js';
import type { Option } from './option.js';
import { OutageLog } from './outage-log.js';

/** Logs and counts the downloads of keys that an option names. */
export function keyDownloads({ name: flag }: Option, logger: Logger, telemetry: FilterMetrics) {
  let failure: string | undefined;
  return (result: 'success' | 'failure', reason = 'unknown reason'): void => {
    telemetry.keyRefresh(flag, result);
    if (result === 'success') {
      if (failure !== undefined) logger.info({ flag }, 'key downloads succeed again');
      failure = undefined;
    } else if (failure !== reason) {
      failure = reason;
      logger.warn({ flag }, `key download failed: ${reason}; the previous keys stay in force`);
    }
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
