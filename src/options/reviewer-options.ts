import type { ReviewEvents } from './option-events.js';
import { asksWebhook, authorization } from './authorization-options.js';
import type { ReviewKind, ReviewVersion } from '../kubernetes/reviews/review-kind.js';
import type { OpenAuthenticator, Opened, Opening } from './starting.js';
import { excludes, fault, isGiven, needs, topic, valueOf, type GivenOptions, type Option } from './option.js';
import { choice, duration, kubeconfigFile } from './option-kinds.js';
import { audiencesOf } from './authentication-options.js';
import { usageError } from './usage-error.js';

const versions: readonly ReviewVersion[] = ['v1', 'v1beta1'];

export const tokenReview = topic(
  'Authentication: token review',
  {
    authenticationKubeconfig: kubeconfigFile().help(
      'kubeconfig of an API server to authenticate tokens with (TokenReview)',
    ),
    authenticationTokenWebhookConfigFile: kubeconfigFile().help(
      'kubeconfig of a webhook to authenticate tokens with, at exactly its URL (TokenReview)',
    ),
    authenticationTokenWebhookVersion: choice('version', versions, 'v1').help(
      'TokenReview version to send to the webhook: v1 or v1beta1',
    ),
    authenticationTokenWebhookCacheTtl: duration('10s').help(
      'how long to cache accepted tokens; 0s: no cache',
    ),
    authenticationTokenWebhookCacheUnauthenticatedTtl: duration('10s').help(
      'how long to cache refused tokens; 0s: no cache',
    ),
  },
  [
    excludes('authenticationTokenWebhookConfigFile', 'authenticationKubeconfig'),
    needs('authenticationTokenWebhookVersion', 'authenticationTokenWebhookConfigFile'),
    needs(
      ['authenticationTokenWebhookCacheTtl', 'authenticationTokenWebhookCacheUnauthenticatedTtl'],
      'authenticationKubeconfig',
      'authenticationTokenWebhookConfigFile',
    ),
  ],
);

export const accessReview = topic(
  'Authorization: access review',
  {
    authorizationKubeconfig: kubeconfigFile().help(
      'kubeconfig of an API server to ask if the local policy does not decide (SubjectAccessReview)',
    ),
    authorizationWebhookConfigFile: kubeconfigFile().help(
      'kubeconfig of a webhook to ask if the local policy does not decide, at exactly its URL (SubjectAccessReview)',
    ),
    authorizationWebhookVersion: choice('version', versions, 'v1').help(
      'SubjectAccessReview version to send to the webhook: v1 or v1beta1',
    ),
    authorizationWebhookCacheAuthorizedTtl: duration('10s').help(
      'how long to cache allowed answers; 0s: no cache',
    ),
    authorizationWebhookCacheUnauthorizedTtl: duration('10s').help(
      'how long to cache all other answers; 0s: no cache',
    ),
    authorizationWebhookStaleTtl: duration('0s').help(
      'how much longer a cached allow may be used while the server does not answer; 0s: never',
    ),
  },
  [
    excludes('authorizationWebhookConfigFile', 'authorizationKubeconfig'),
    needs('authorizationWebhookVersion', 'authorizationWebhookConfigFile'),
    needs(
      [
        'authorizationWebhookCacheAuthorizedTtl',
        'authorizationWebhookCacheUnauthorizedTtl',
        'authorizationWebhookStaleTtl',
      ],
      'authorizationKubeconfig',
      'authorizationWebhookConfigFile',
    ),
  ],
);

/** A server that answers reviews. */
export type Reviewer = NonNullable<ReturnType<typeof reviewerOf>>;

/** The server for token reviews, if an option names one. @throws UsageError naming the option. */
export function tokenReviewerOf(given: GivenOptions): Reviewer | undefined {
  const { authenticationKubeconfig, authenticationTokenWebhookConfigFile: webhook } = tokenReview.options;
  const { authenticationTokenWebhookVersion: version } = tokenReview.read(given);
  return reviewerOf(given, authenticationKubeconfig, webhook, version);
}

/** The server for access reviews, if an option names one. @throws UsageError naming the option. */
export function accessReviewerOf(given: GivenOptions): Reviewer | undefined {
  const { authorizationKubeconfig, authorizationWebhookConfigFile: webhook } = accessReview.options;
  const { authorizationWebhookVersion: version } = accessReview.read(given);
  return reviewerOf(given, authorizationKubeconfig, webhook, version);
}

type FileOption = Option<string | undefined>;

/** `version` is the default for an API server. */
function reviewerOf(given: GivenOptions, apiServer: FileOption, webhook: FileOption, version: ReviewVersion) {
  const isWebhook = isGiven(given, webhook);
  const option = isWebhook ? webhook : apiServer;
  const kubeconfig = valueOf(option, given);
  const target = isWebhook ? ('webhook' as const) : ('api-server' as const);
  return kubeconfig === undefined ? undefined : { option, kubeconfig, target, version };
}

/** Sends no request yet. @throws UsageError naming the option. */
async function openReviewer(
  { option, kubeconfig, target, version }: Reviewer,
  kind: ReviewKind,
  { onWarning, onApiRequest: onRequest, ...observer }: ReviewEvents['tokens' | 'access'],
  opened: Opened,
) {
  const { openApiClient } = await import('../kubernetes/kubeconfig/kubeconfig-client.js');
  const { ReviewClient } = await import('../kubernetes/reviews/review-client.js');
  try {
    const pathFault = otherWorkspaceFault();
    const client = opened.add(await openApiClient({ kubeconfig, pathFault, onWarning, onRequest }));
    return opened.add(new ReviewClient({ client, kind, target, version, observer }));
  } catch (error) {
    throw usageError(option.name, error);
  }
}

/** `kubectl ws` writes another workspace of a kcp into a kubeconfig, where the owners of that would answer. */
function otherWorkspaceFault(): (path: string) => string | undefined {
  let first: string | undefined;
  return (path) => {
    first ??= path;
    if (path === first || !`${first} ${path}`.includes('/clusters/')) return undefined;
    return `its server is another workspace (${path}) than at the start (${first}), which is asked only after a restart`;
  };
}

export const openTokenReview: OpenAuthenticator = async (given, { reviews, opened }) => {
  const reviewer = tokenReviewerOf(given);
  if (reviewer === undefined) return undefined;
  const values = tokenReview.read(given);
  const { tokenReview: kind } = await import('../kubernetes/reviews/review-kind.js');
  const client = await openReviewer(reviewer, kind, reviews.tokens, opened);
  const audiences = audiencesOf(given);
  const { tokenReviewAuthenticator } = await import('../authentication/tokens/token-review.js');
  return tokenReviewAuthenticator({
    reviewer: client,
    ...(audiences.length > 0 && { audiences }),
    withoutAudiences: reviewer.target === 'webhook' ? 'accepted' : 'refused',
    authenticatedTtlMs: values.authenticationTokenWebhookCacheTtl,
    unauthenticatedTtlMs: values.authenticationTokenWebhookCacheUnauthenticatedTtl,
    observer: reviews.tokens,
  });
};

/** Authorizes by access reviews, if an option names a server. @throws UsageError naming the option. */
export async function openAccessReview(given: GivenOptions, { reviews: { access }, opened }: Opening) {
  const values = accessReview.read(given);
  const reviewer = accessReviewerOf(given);
  const { authorizationOrder } = authorization.options;
  if (reviewer === undefined) {
    if (!isGiven(given, authorizationOrder) || !asksWebhook(given)) return undefined;
    const { authorizationKubeconfig: server, authorizationWebhookConfigFile: webhook } = accessReview.options;
    throw fault(authorizationOrder, `Webhook needs ${server.name} or ${webhook.name}`);
  }
  const { subjectAccessReview } = await import('../kubernetes/reviews/review-kind.js');
  const client = await openReviewer(reviewer, subjectAccessReview, access, opened);
  if (!asksWebhook(given)) {
    throw fault(reviewer.option, `${authorizationOrder.name} does not list Webhook, so it is never asked`);
  }
  const { subjectAccessReviewAuthorizer } = await import('../authorization/subject-access-review.js');
  return subjectAccessReviewAuthorizer({
    reviewer: client,
    authorizedTtlMs: values.authorizationWebhookCacheAuthorizedTtl,
    unauthorizedTtlMs: values.authorizationWebhookCacheUnauthorizedTtl,
    staleTtlMs: values.authorizationWebhookStaleTtl,
    observer: access,
  });
}
