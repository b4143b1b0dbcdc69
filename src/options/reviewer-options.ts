import type { Authenticator } from '../authentication/authenticator.js';
import type { Authorizer } from '../authorization/authorizer.js';
import type { ReviewClient, ReviewClientOptions } from '../kubernetes/reviews/review-client.js';
import type { AuthenticationContext, ReviewEvents } from './option-events.js';
import { asksWebhook, authorization } from './authorization-options.js';
import type { ReviewKind, ReviewVersion } from '../kubernetes/reviews/review-kind.js';
import { given as presentOnly } from '../given.js';
import type { Opened } from './starting.js';
import { excludes, fault, isGiven, needs, topic, type GivenOptions, type Option } from './option.js';
import { choice, duration, file } from './option-kinds.js';
import { audiencesOf } from './authentication-options.js';
import { usageError } from './usage-error.js';

/** What a webhook may speak. */
const versions: readonly ReviewVersion[] = ['v1', 'v1beta1'];

export const tokenReview = topic(
  'Authentication: another server is asked',
  {
    authenticationKubeconfig: file(
      { kubeconfig: true },
      'kubeconfig of an API server that is asked who brings a token (TokenReview)',
    ),
    authenticationTokenWebhookConfigFile: file(
      { kubeconfig: true },
      'kubeconfig of a webhook that is asked who brings a token, at its URL itself',
    ),
    authenticationTokenWebhookVersion: choice(
      'version',
      versions,
      'v1',
      'version of the TokenReview that the webhook speaks: v1 or v1beta1',
    ),
    authenticationTokenWebhookCacheTtl: duration(
      '10s',
      {},
      'how long it is remembered who brings a token; 0s asks each time',
    ),
    authenticationTokenWebhookCacheUnauthenticatedTtl: duration(
      '10s',
      {},
      'how long it is remembered that a token was not accepted; 0s asks each time',
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
  'Authorization: another server is asked',
  {
    authorizationKubeconfig: file(
      { kubeconfig: true },
      'kubeconfig of an API server that is asked what the local policy does not decide (SubjectAccessReview)',
    ),
    authorizationWebhookConfigFile: file(
      { kubeconfig: true },
      'kubeconfig of a webhook that is asked the same, at its URL itself',
    ),
    authorizationWebhookVersion: choice(
      'version',
      versions,
      'v1',
      'version of the SubjectAccessReview that the webhook speaks: v1 or v1beta1',
    ),
    authorizationWebhookCacheAuthorizedTtl: duration(
      '10s',
      {},
      'how long an allow of that server is believed; 0s asks each time',
    ),
    authorizationWebhookCacheUnauthorizedTtl: duration(
      '10s',
      {},
      'how long anything else it says is believed; 0s asks each time',
    ),
    authorizationWebhookStaleTtl: duration(
      '0s',
      {},
      'how long after that an allow stands in for answers that do not come, through an outage; 0s: never',
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

/** Another server that answers reviews, as options name it. */
export interface Reviewer extends Required<Pick<ReviewClientOptions, 'target' | 'version'>> {
  /** The option that names it. */
  readonly option: Option;
  readonly kubeconfig: string;
}

/** The server that is asked about tokens, if an option names one. @throws UsageError naming the option. */
export function tokenReviewerOf(given: GivenOptions): Reviewer | undefined {
  const values = tokenReview.read(given);
  const { authenticationKubeconfig, authenticationTokenWebhookConfigFile } = tokenReview.options;
  return reviewerOf(
    [authenticationKubeconfig, values.authenticationKubeconfig],
    [authenticationTokenWebhookConfigFile, values.authenticationTokenWebhookConfigFile],
    values.authenticationTokenWebhookVersion,
  );
}

/** The server that is asked about access, if an option names one. @throws UsageError naming the option. */
export function accessReviewerOf(given: GivenOptions): Reviewer | undefined {
  const values = accessReview.read(given);
  const { authorizationKubeconfig, authorizationWebhookConfigFile } = accessReview.options;
  return reviewerOf(
    [authorizationKubeconfig, values.authorizationKubeconfig],
    [authorizationWebhookConfigFile, values.authorizationWebhookConfigFile],
    values.authorizationWebhookVersion,
  );
}

type GivenFile = readonly [option: Option, file: string | undefined];

/** An API server speaks v1. */
function reviewerOf(
  [apiServer, apiServerConfig]: GivenFile,
  [webhook, webhookConfig]: GivenFile,
  version: ReviewVersion,
): Reviewer | undefined {
  if (webhookConfig !== undefined) {
    return { option: webhook, kubeconfig: webhookConfig, target: 'webhook', version };
  }
  if (apiServerConfig === undefined) return undefined;
  return { option: apiServer, kubeconfig: apiServerConfig, target: 'api-server', version };
}

/** Nothing is asked yet. @throws UsageError naming the option. */
async function openReviewer(
  { option, kubeconfig, target, version }: Reviewer,
  kind: ReviewKind,
  { onWarning, onApiRequest: onRequest, ...observer }: ReviewEvents['tokens' | 'access'],
  opened: Opened,
): Promise<ReviewClient> {
  const { openApiClient } = await import('../kubernetes/kubeconfig/kubeconfig-client.js');
  const { ReviewClient } = await import('../kubernetes/reviews/review-client.js');
  try {
    const client = opened.add(await openApiClient({ kubeconfig, onWarning, onRequest }));
    return opened.add(new ReviewClient({ client, kind, target, version, observer }));
  } catch (error) {
    throw usageError(option.name, error);
  }
}

/** Clients with a token that another server knows. @throws UsageError naming the option. */
export async function openTokenReview(
  given: GivenOptions,
  { events, opened }: AuthenticationContext,
): Promise<Authenticator | undefined> {
  const reviewer = tokenReviewerOf(given);
  if (reviewer === undefined) return undefined;
  const values = tokenReview.read(given);
  const { tokenReview: kind } = await import('../kubernetes/reviews/review-kind.js');
  const client = await openReviewer(reviewer, kind, events.review, opened);
  const audiences = audiencesOf(given);
  const { tokenReviewAuthenticator } = await import('../authentication/tokens/token-review.js');
  return tokenReviewAuthenticator({
    reviewer: client,
    ...presentOnly({ audiences: audiences.length === 0 ? undefined : audiences }),
    withoutAudiences: reviewer.target === 'webhook' ? 'accepted' : 'refused',
    authenticatedTtlMs: values.authenticationTokenWebhookCacheTtl,
    unauthenticatedTtlMs: values.authenticationTokenWebhookCacheUnauthenticatedTtl,
    observer: events.review,
  });
}

/** Asks another server, if an option names one. @throws UsageError naming the option. */
export async function openAccessReview(
  given: GivenOptions,
  { access }: ReviewEvents,
  opened: Opened,
): Promise<Authorizer | undefined> {
  const values = accessReview.read(given);
  const reviewer = accessReviewerOf(given);
  const { authorizationOrder } = authorization.options;
  if (reviewer === undefined) {
    if (!isGiven(given, authorizationOrder) || !asksWebhook(given)) return undefined;
    const { authorizationKubeconfig, authorizationWebhookConfigFile } = accessReview.options;
    throw fault(
      authorizationOrder,
      `Webhook needs ${authorizationKubeconfig.name} or ${authorizationWebhookConfigFile.name}`,
    );
  }
  const { subjectAccessReview } = await import('../kubernetes/reviews/review-kind.js');
  const client = await openReviewer(reviewer, subjectAccessReview, access, opened);
  if (!asksWebhook(given)) {
    throw fault(reviewer.option, `${authorizationOrder.name} leaves out Webhook, which would ask it`);
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
