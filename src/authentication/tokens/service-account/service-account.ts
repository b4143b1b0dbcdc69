import { requireNames, type Authenticator } from '../../authenticator.js';
import type { JsonObject } from '../jwt/json-object.js';
import { jwtAuthenticator, type JwtIdentity } from '../jwt/jwt-authenticator.js';
import type { KeySet } from '../jwt/key-set.js';
import { dateText, numericDate } from '../jwt/numeric-date.js';
import { audienceFault } from '../jwt/audiences.js';
import { legacyIssuer, serviceAccountIdentity } from './service-account-claims.js';

export interface ServiceAccountOptions {
  /** The keys that the API server signs with. */
  readonly keys: KeySet;
  /**
   * Accepted as `iss`. With `kubernetes/serviceaccount` among them, tokens out of Secrets are accepted as well:
   * these never expire, and only the API server knows whether their Secret is still there.
   */
  readonly issuers: readonly string[];
  /** A token has to be for one of them. */
  readonly audiences: readonly string[];
  /** Milliseconds since the epoch; default Date.now. */
  readonly now?: () => number;
  /** How many verified tokens are remembered; default 4,096. */
  readonly maxCached?: number;
}

/** All that a service account's key can sign with. */
const algorithms: ReadonlySet<string> = new Set([
  ...['RS256', 'RS384', 'RS512'],
  ...['PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512'],
]);

/** Kubernetes' own. */
const leewaySeconds = 60;

/**
 * Tokens of Kubernetes' service accounts, and of kcp's, verified without asking the API server: until a token
 * expires nobody notices that its account, or the pod it is bound to, was deleted. Stricter than kube-apiserver:
 * a token needs `exp` and `aud`, and a `sub` that is the account of its other claims.
 *
 * @throws RangeError without an issuer or an audience, or where nothing could be remembered.
 */
export function serviceAccountAuthenticator({
  keys,
  issuers,
  audiences,
  now = Date.now,
  maxCached = 4096,
}: ServiceAccountOptions): Authenticator {
  requireNames('issuers', issuers);
  requireNames('audiences', audiences);
  if (!Number.isSafeInteger(maxCached) || maxCached < 1) throw new RangeError('maxCached must be at least 1');
  const accepted: ReadonlySet<string> = new Set(audiences);
  return jwtAuthenticator({
    name: 'service-account',
    keys,
    issuers: new Set(issuers),
    algorithms,
    leewaySeconds,
    now,
    maxCached,
    identityOf: (claims) => identityOf(claims, accepted, now() / 1000),
  });
}

function identityOf(claims: JsonObject, accepted: ReadonlySet<string>, seconds: number): JwtIdentity {
  const { iss, exp, iat, aud } = claims;
  const isLegacy = iss === legacyIssuer;
  const expires = numericDate(exp);
  if (expires === undefined && !isLegacy) return refused('there is no exp');
  if (iat !== undefined) {
    const issued = numericDate(iat);
    if (issued === undefined) return refused('iat is no time');
    if (seconds < issued - leewaySeconds) return refused(`issued in the future, at ${dateText(issued)}`);
  }
  if (aud !== undefined || !isLegacy) {
    const fault = audienceFault(aud, accepted);
    if (fault !== undefined) return refused(fault);
  }
  const claimed = serviceAccountIdentity(claims);
  if (claimed.kind === 'refused') return claimed;
  const validUntil = expires === undefined ? Infinity : (expires + leewaySeconds) * 1000 + 1;
  return { kind: 'identity', identity: claimed.identity, validUntil };
}

function refused(reason: string): JwtIdentity {
  return { kind: 'refused', reason };
}
