import type { Authenticator, Credentials } from './authenticator.js';
import { afterExtraSpace } from './tokens/bearer-token.js';
import { errorClass } from '../error-class.js';
import { anonymousIdentity, withAuthenticatedGroup, type Identity } from './identity.js';

/** Why one method did not accept what was presented; for the operator, never for the client. */
export interface Refusal {
  readonly authenticator: string;
  readonly reason: string;
}

type UnionAuthentication = (
  | { readonly kind: 'authenticated'; readonly identity: Identity; readonly authenticator: string }
  | { readonly kind: 'unauthenticated'; readonly refusals: readonly Refusal[] }
) & {
  /** Whether a bearer token was ignored for the extra space before it. */
  readonly hasExtraSpace?: boolean;
};

interface AuthenticatorUnionOptions {
  /** Asked in this order; the first that accepts wins. */
  readonly authenticators: readonly Authenticator[];
  /** Whether a request without credentials is `system:anonymous`. */
  readonly anonymous: boolean;
}

/**
 * Asks one authenticator after another, as Kubernetes' union does. A request whose credentials were all
 * refused stays unauthenticated: it must never be treated better, or worse, than it asked to be, and so
 * never as anonymous. An authenticator that fails counts as one that refused.
 */
export function authenticatorUnion({
  authenticators,
  anonymous,
}: AuthenticatorUnionOptions): (credentials: Credentials) => Promise<UnionAuthentication> {
  const completed = new WeakMap<Identity, Identity>();
  const complete = (identity: Identity): Identity => {
    let known = completed.get(identity);
    if (known === undefined) {
      known = withAuthenticatedGroup(identity);
      completed.set(identity, known);
    }
    return known;
  };
  return async (credentials) => {
    const refusals: Refusal[] = [];
    let warned: { readonly hasExtraSpace: true } | undefined;
    for (const authenticator of authenticators) {
      const { name } = authenticator;
      try {
        const result = await authenticator.authenticate(credentials);
        switch (result.kind) {
          case 'authenticated':
            return {
              kind: 'authenticated',
              identity: complete(result.identity),
              authenticator: name,
              ...warned,
            };
          case 'refused':
            refusals.push({ authenticator: name, reason: result.reason });
            break;
          case 'none':
            if (result === afterExtraSpace) warned = { hasExtraSpace: true };
            break;
          default:
            // An application's own may say what the types do not allow: never for better.
            refusals.push({ authenticator: name, reason: 'failed: unknown answer' });
        }
      } catch (error) {
        refusals.push({ authenticator: name, reason: `failed: ${errorClass(error)}` });
      }
    }
    return refusals.length === 0 && anonymous
      ? { kind: 'authenticated', identity: anonymousIdentity, authenticator: 'anonymous', ...warned }
      : { kind: 'unauthenticated', refusals, ...warned };
  };
}
