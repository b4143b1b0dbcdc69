import type { Logger } from '../../server/logger.js';
import type { AuthenticationEvents } from '../../options/authentication/authentication-context.js';
import type { ReviewEvents } from '../../options/reviews/review-events.js';

const nothing = (): void => undefined;

/** For flags that are read and not followed. */
export const silentReviewEvents: ReviewEvents = {
  tokens: { onWarning: nothing, onApiRequest: nothing },
  access: { onWarning: nothing, onApiRequest: nothing },
};

export const silentAuthenticationEvents: AuthenticationEvents = {
  onFollowed: nothing,
  onReload: nothing,
  onSpoofedHeaders: nothing,
  onKeyRefresh: nothing,
  review: silentReviewEvents.tokens,
};

export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
