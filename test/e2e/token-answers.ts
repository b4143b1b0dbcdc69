import { openApiClient } from '../../src/kubernetes/kubeconfig/kubeconfig-client.js';
import { ReviewClient } from '../../src/kubernetes/reviews/review-client.js';
import { tokenReview } from '../../src/kubernetes/reviews/review-kind.js';
import type { Authenticator } from '../../src/authentication/authenticator.js';
import { tokenReviewAuthenticator } from '../../src/authentication/tokens/token-review.js';
import { authenticatorUnion } from '../../src/authentication/union.js';
import type { ServiceAccounts } from './service-accounts.js';

/** Who somebody is, as far as authorization looks at it; groups are a set. */
export type Answer =
  | {
      readonly name: string | undefined;
      readonly uid: string | undefined;
      readonly groups: readonly string[];
      readonly extra: Readonly<Record<string, readonly string[]>>;
    }
  | 'refused';

/** An API server's, by its TokenReview. */
export async function answerOfServer(accounts: ServiceAccounts, token: string): Promise<Answer> {
  const { authenticated = false, user } = await accounts.review(token);
  if (!authenticated) return 'refused';
  const { username, uid, groups = [], extra = {} } = user ?? {};
  return { name: username, uid, groups: [...groups].sort(), extra };
}

/** This project's, by one authenticator alone. */
export async function answerOf(authenticator: Authenticator, token: string): Promise<Answer> {
  const authenticate = authenticatorUnion([authenticator], true);
  const result = await authenticate({ headers: { authorization: [`Bearer ${token}`] } });
  if (result.kind === 'unauthenticated') return 'refused';
  const { name, uid, groups, extra } = result.identity;
  return { name, uid, groups: [...groups].sort(), extra };
}

/** Asks the API server of a kubeconfig about each token anew. */
export async function reviewingAuthenticator(
  kubeconfig: string,
): Promise<Authenticator & { readonly close: () => void }> {
  const client = await openApiClient({ kubeconfig });
  const reviewer = new ReviewClient({ client, kind: tokenReview, target: 'api-server' });
  return {
    ...tokenReviewAuthenticator({ reviewer, authenticatedTtlMs: 0, unauthenticatedTtlMs: 0 }),
    close() {
      reviewer.close();
      client.close();
    },
  };
}
