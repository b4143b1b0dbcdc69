import { tokenReview } from '../../kubernetes/reviews/review-kind.js';
import type { Authenticator } from '../../authentication/authenticator.js';
import { tokenReviewAuthenticator } from '../../authentication/tokens/token-review.js';
import { parseDuration } from '../flag-values.js';
import { isGiven, valueOf, type Flag, type FlagValues } from '../flags.js';
import { openReviewer, reviewVersions, type ReviewerFlags } from '../reviews/reviewer.js';
import { UsageError } from '../usage-error.js';
import type { AuthenticationContext } from './authentication-context.js';
import { audiencesOf } from './service-account-flags.js';

export const authenticationKubeconfig: Flag = {
  name: '--authentication-kubeconfig',
  value: 'file',
  description: 'kubeconfig of an API server that is asked who brings a token (TokenReview)',
};
export const authenticationWebhook: Flag = {
  name: '--authentication-token-webhook-config-file',
  value: 'file',
  description: 'kubeconfig of a webhook that is asked who brings a token, at its URL itself',
};
const webhookVersion: Flag = {
  name: '--authentication-token-webhook-version',
  value: 'version',
  choices: reviewVersions,
  default: 'v1',
  description: 'version of the TokenReview that the webhook speaks: v1 or v1beta1',
};
const cacheTtl: Flag = {
  name: '--authentication-token-webhook-cache-ttl',
  value: 'duration',
  default: '10s',
  description: 'how long it is remembered who brings a token; 0s asks each time',
};
const unauthenticatedCacheTtl: Flag = {
  name: '--authentication-token-webhook-cache-unauthenticated-ttl',
  value: 'duration',
  default: '10s',
  description: 'how long it is remembered that a token was not accepted; 0s asks each time',
};

export const tokenReviewerFlags: ReviewerFlags = {
  kubeconfig: authenticationKubeconfig,
  webhook: authenticationWebhook,
  version: webhookVersion,
};

export const tokenReviewFlags: readonly Flag[] = [
  authenticationKubeconfig,
  authenticationWebhook,
  webhookVersion,
  cacheTtl,
  unauthenticatedCacheTtl,
];

/** Who brings a token that another server knows. @throws UsageError naming the flag. */
export async function tokenReviewOf(
  values: FlagValues,
  { events, opened }: AuthenticationContext,
): Promise<Authenticator | undefined> {
  const ttl = (flag: Flag): number => parseDuration(flag.name, valueOf(values, flag) ?? '');
  const [authenticatedTtlMs, unauthenticatedTtlMs] = [ttl(cacheTtl), ttl(unauthenticatedCacheTtl)];
  const reviewer = await openReviewer(values, tokenReviewerFlags, tokenReview, events.review, opened);
  if (reviewer === undefined) {
    const lonely = [cacheTtl, unauthenticatedCacheTtl].find((flag) => isGiven(values, flag));
    if (lonely === undefined) return undefined;
    throw new UsageError(
      `${lonely.name}: needs ${authenticationKubeconfig.name} or ${authenticationWebhook.name}`,
    );
  }
  const audiences = audiencesOf(values);
  return tokenReviewAuthenticator({
    reviewer,
    ...(audiences.length === 0 ? {} : { audiences }),
    withoutAudiences: isGiven(values, authenticationWebhook) ? 'accepted' : 'refused',
    authenticatedTtlMs,
    unauthenticatedTtlMs,
    observer: events.review,
  });
}
