import type { Logger } from '../../server/logger.js';
import type { FilterMetrics } from '../../telemetry/filter-metrics.js';
import type { ReviewEvents } from '../reviews/review-events.js';
import type { AuthenticationEvents } from './authentication-context.js';

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
