import { subjectAccessReview } from '../../kubernetes/reviews/review-kind.js';
import type { Authorizer } from '../../authorization/authorizer.js';
import { subjectAccessReviewAuthorizer } from '../../authorization/subject-access-review.js';
import { asksWebhook, authorizationOrder } from './authorization-flags.js';
import { parseDuration } from '../flag-values.js';
import { isGiven, valueOf, type Flag, type FlagValues } from '../flags.js';
import type { Opened } from '../opened.js';
import type { ReviewEvents } from '../reviews/review-events.js';
import { openReviewer, reviewVersions, reviewerFlagOf, type ReviewerFlags } from '../reviews/reviewer.js';
import { UsageError } from '../usage-error.js';

export const authorizationKubeconfig: Flag = {
  name: '--authorization-kubeconfig',
  value: 'file',
  description:
    'kubeconfig of an API server that is asked what the local policy does not decide (SubjectAccessReview)',
};
export const authorizationWebhook: Flag = {
  name: '--authorization-webhook-config-file',
  value: 'file',
  description: 'kubeconfig of a webhook that is asked the same, at its URL itself',
};
const webhookVersion: Flag = {
  name: '--authorization-webhook-version',
  value: 'version',
  choices: reviewVersions,
  default: 'v1',
  description: 'version of the SubjectAccessReview that the webhook speaks: v1 or v1beta1',
};
const authorizedTtl: Flag = {
  name: '--authorization-webhook-cache-authorized-ttl',
  value: 'duration',
  default: '10s',
  description: 'how long an allow of that server is believed; 0s asks each time',
};
const unauthorizedTtl: Flag = {
  name: '--authorization-webhook-cache-unauthorized-ttl',
  value: 'duration',
  default: '10s',
  description: 'how long anything else it says is believed; 0s asks each time',
};
const staleTtl: Flag = {
  name: '--authorization-webhook-stale-ttl',
  value: 'duration',
  default: '0s',
  description:
    'how long after that an allow stands in for answers that do not come, through an outage; 0s: never',
};

const durations = [authorizedTtl, unauthorizedTtl, staleTtl];
export const accessReviewerFlags: ReviewerFlags = {
  kubeconfig: authorizationKubeconfig,
  webhook: authorizationWebhook,
  version: webhookVersion,
};

export const authorizationWebhookFlags: readonly Flag[] = [
  authorizationKubeconfig,
  authorizationWebhook,
  webhookVersion,
  ...durations,
];

/** Asks another server, if a flag names one. @throws UsageError naming the flag. */
export async function openWebhookAuthorizer(
  values: FlagValues,
  { access }: ReviewEvents,
  opened: Opened,
): Promise<Authorizer | undefined> {
  const ttl = (flag: Flag): number => parseDuration(flag.name, valueOf(values, flag) ?? '');
  const ttls = {
    authorizedTtlMs: ttl(authorizedTtl),
    unauthorizedTtlMs: ttl(unauthorizedTtl),
    staleTtlMs: ttl(staleTtl),
  };
  const needs = `needs ${authorizationKubeconfig.name} or ${authorizationWebhook.name}`;
  const flag = reviewerFlagOf(values, accessReviewerFlags);
  const reviewer = await openReviewer(values, accessReviewerFlags, subjectAccessReview, access, opened);
  if (flag === undefined || reviewer === undefined) {
    const lonely = durations.find((duration) => isGiven(values, duration));
    if (lonely !== undefined) throw new UsageError(`${lonely.name}: ${needs}`);
    if (!isGiven(values, authorizationOrder) || !asksWebhook(values)) return undefined;
    throw new UsageError(`${authorizationOrder.name}: Webhook ${needs}`);
  }
  if (!asksWebhook(values)) {
    throw new UsageError(`${flag.name}: ${authorizationOrder.name} leaves out Webhook, which would ask it`);
  }
  return subjectAccessReviewAuthorizer({ reviewer, ...ttls, observer: access });
}
