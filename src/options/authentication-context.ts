import type { ReloadResult } from '../files/followed-files.js';
import type { Logger } from '../server/server-options.js';
import type { FilterMetrics } from '../telemetry/filter-metrics.js';
import type { FollowedOptionFiles } from './followed-option-files.js';
import type { Opened } from './opened.js';
import type { ReviewEvents, TokenReviewEvents } from './reviewer.js';

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
