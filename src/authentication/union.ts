import type { Authentication, Authenticator, Credentials } from './authenticator.js';
import { afterExtraSpace } from './tokens/bearer-token.js';
import { errorClass } from '../error-class.js';
import { anonymousIdentity, withAuthenticatedGroup, type Identity } from './identity.js';

/** Why one method did not accept what was presented; for the operator, never for the client. */
export interface Refusal {
  readonly authenticator: string;
  readonly reason: string;
}

export type UnionAuthentication = (
  | { readonly kind: 'authenticated'; readonly identity: Identity; readonly authenticator: string }
  | { readonly kind: 'unauthenticated'; readonly refusals: readonly Refusal[] }
) & {
  /** Whether a bearer token was ignored for the extra space before it. */
  readonly hasExtraSpace?: boolean;
};

/**
 * Asks one after another until one settles it; `otherwise` answers where none does. Returns a promise only where one of
 * them gives one: most answer at once, and a promise costs more than they do.
 */
export function askInOrder<Asked, Said, Answer>(
  all: readonly Asked[],
  ask: (asked: Asked) => Said | Promise<Said>,
  take: (asked: Asked, said: Said) => Answer | undefined,
  onFailure: (asked: Asked, error: unknown) => void,
  otherwise: () => Answer,
  from = 0,
): Answer | Promise<Answer> {
  for (let at = from; at < all.length; at += 1) {
    const asked = all[at] as Asked;
    try {
      const said = ask(asked);
      if (typeof said === 'object' && said !== null && 'then' in said) {
        return Promise.resolve(said)
          .then((later) => take(asked, later))
          .catch((error: unknown) => {
            onFailure(asked, error);
            return undefined;
          })
          .then((answer) => answer ?? askInOrder(all, ask, take, onFailure, otherwise, at + 1));
      }
      const answer = take(asked, said);
      if (answer !== undefined) return answer;
    } catch (error) {
      onFailure(asked, error);
    }
  }
  return otherwise();
}

/**
 * Asks one authenticator after another, as Kubernetes' union does; the first that accepts wins. A request whose
 * credentials were all refused is unauthenticated and never becomes anonymous. An authenticator that fails counts as
 * one that refused.
 */
export function authenticatorUnion(
  authenticators: readonly Authenticator[],
  anonymous: boolean,
): (credentials: Credentials) => UnionAuthentication | Promise<UnionAuthentication> {
  const completed = new WeakMap<Identity, Identity>();
  const complete = (identity: Identity): Identity => {
    let known = completed.get(identity);
    if (known === undefined) {
      known = withAuthenticatedGroup(identity);
      completed.set(identity, known);
    }
    return known;
  };
  return (credentials) => {
    const refusals: Refusal[] = [];
    let warned: { readonly hasExtraSpace: true } | undefined;
    const take = ({ name }: Authenticator, result: Authentication): UnionAuthentication | undefined => {
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
      return undefined;
    };
    const onFailure = ({ name }: Authenticator, error: unknown): void => {
      refusals.push({ authenticator: name, reason: `failed: ${errorClass(error)}` });
    };
    const withoutAnswer = (): UnionAuthentication =>
      refusals.length === 0 && anonymous
        ? { kind: 'authenticated', identity: anonymousIdentity, authenticator: 'anonymous', ...warned }
        : { kind: 'unauthenticated', refusals, ...warned };
    return askInOrder(
      authenticators,
      (authenticator) => authenticator.authenticate(credentials),
      take,
      onFailure,
      withoutAnswer,
    );
  };
}
