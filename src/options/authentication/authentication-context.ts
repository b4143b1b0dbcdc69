import type { ReloadResult } from '../../files/followed-files.js';
import type { FollowedFlagFiles } from '../followed-flag-files.js';
import type { Opened } from '../opened.js';
import type { TokenReviewEvents } from '../reviews/review-events.js';

/** What happens to authenticators while they run. */
export interface AuthenticationEvents {
  /** A file that a flag names is looked at from now on. */
  readonly onFollowed: (flag: string) => void;
  /** A file that a flag names has changed; where it cannot be used, the one before stays in force. */
  readonly onReload: (flag: string, result: ReloadResult) => void;
  /** A request says in a front proxy's headers who sends it, and comes from none. */
  readonly onSpoofedHeaders: () => void;
  /** The keys that a flag's server publishes were downloaded, or not; then those before stay in force. */
  readonly onKeyRefresh: (flag: string, result: 'success' | 'failure', reason?: string) => void;
  readonly review: TokenReviewEvents;
}

/** What the flags' readers share. */
export interface AuthenticationContext {
  readonly files: FollowedFlagFiles;
  readonly events: AuthenticationEvents;
  /** Closed with the authenticators. */
  readonly opened: Opened;
}
