import type { Authentication, Authenticator } from '../../authenticator.js';
import { bearerToken } from '../bearer-token.js';
import type { Identity } from '../../identity.js';
import { TokenCache, type TokenKey } from '../token-cache.js';
import type { JsonObject } from './json-object.js';
import { maxTokenBytes, unverifiedClaims } from './unverified-claims.js';
import { verifyJwt, type JwtOptions } from './verify-jwt.js';

export type JwtIdentity =
  /** `validUntil`: ms since the epoch, that moment excluded. */
  | { readonly kind: 'identity'; readonly identity: Identity; readonly validUntil: number }
  | { readonly kind: 'refused'; readonly reason: string };

export interface JwtAuthenticatorOptions extends JwtOptions {
  readonly name: string;
  /** Who the verified claims are about. */
  readonly identityOf: (claims: JsonObject) => JwtIdentity;
  /** How many tokens are remembered. */
  readonly maxCached: number;
}

const malformed = refused('text behind the bearer token');
const tooLong = refused(`the token is longer than ${maxTokenBytes} bytes`);
const noJwt = refused('the token is no JWT');
const foreign = refused('the token is of another issuer');
const forWebhooks = refused('the token is bound to a webhook configuration');

/** In `kubernetes.io`, since Kubernetes 1.37. Go's decoder does not regard case. */
const webhookBindings: ReadonlySet<string> = new Set([
  'validatingwebhookconfiguration',
  'mutatingwebhookconfiguration',
  'attestations',
]);

/**
 * Bearer tokens that are JWTs of certain issuers. Others are refused unverified, and so are those that an API server
 * shows to its webhooks, which could bring them here. A token that was verified is answered at once from then on, until
 * it expires or the key set has other keys.
 */
export function jwtAuthenticator(options: JwtAuthenticatorOptions): Authenticator {
  const { name, keys, issuers, identityOf, maxCached, now } = options;
  const verified = new TokenCache<Authentication>({ limit: maxCached, now });
  let version = keys.version;

  function forgetIfKeysChanged(): void {
    if (keys.version === version) return;
    verified.clear();
    version = keys.version;
  }

  async function verify(token: string, key: TokenKey): Promise<Authentication> {
    const versionBefore = keys.version;
    const verification = await verifyJwt(token, options);
    if (verification.kind === 'refused') return verification;
    if (isForWebhooks(verification.claims)) return forWebhooks;
    const claimed = identityOf(verification.claims);
    if (claimed.kind === 'refused') return claimed;
    forgetIfKeysChanged();
    // Requests that came together get one identity.
    const known = verified.get(key);
    if (known !== undefined) return known;
    const { identity, validUntil } = claimed;
    const authentication: Authentication = Object.freeze({ kind: 'authenticated', identity });
    // Where the keys changed meanwhile, nobody knows which of them it was verified with.
    if (version === versionBefore) verified.set(key, authentication, validUntil);
    return authentication;
  }

  return {
    name,
    authenticate(credentials) {
      const bearer = bearerToken(credentials);
      if (bearer.kind === 'none') return bearer.authentication;
      if (bearer.kind === 'malformed') return malformed;
      const { token } = bearer;
      if (token.length > maxTokenBytes) return tooLong;
      forgetIfKeysChanged();
      const key = verified.keyOf(token);
      const known = verified.get(key);
      if (known !== undefined) return known;
      const { issuer } = unverifiedClaims(token);
      if (issuer === undefined) return noJwt;
      return issuers.has(issuer) ? verify(token, key) : foreign;
    },
  };
}

function isForWebhooks({ 'kubernetes.io': kubernetes }: JsonObject): boolean {
  if (typeof kubernetes !== 'object' || kubernetes === null) return false;
  return Object.keys(kubernetes).some((claim) => webhookBindings.has(claim.toLowerCase()));
}

function refused(reason: string): Authentication {
  return Object.freeze({ kind: 'refused', reason });
}
