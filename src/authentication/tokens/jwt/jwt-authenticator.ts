import { refused, type Authentication, type Authenticator } from '../../authenticator.js';
import { bearerToken, TokenCache, type TokenKey } from '../bearer-token.js';
import { TokenFault, type ClaimedIdentity, type Claims } from './claims.js';
import { maxTokenBytes, unverifiedClaims } from './jwt-parts.js';
import { verifyJwt, type JwtOptions } from './verify-jwt.js';

interface JwtAuthenticatorOptions extends JwtOptions {
  readonly name: string;
  /** The user of verified claims. @throws TokenFault */
  readonly identityOf: (claims: Claims) => ClaimedIdentity;
  readonly maxCached: number;
}

const tooLong = refused(`the token is longer than ${maxTokenBytes} bytes`);
const noJwt = refused('the token is no JWT');
const foreign = refused('the token is of another issuer');

/** In `kubernetes.io`, since Kubernetes 1.37. Go's decoder ignores case. */
const webhookBindings: ReadonlySet<string> = new Set([
  'validatingwebhookconfiguration',
  'mutatingwebhookconfiguration',
  'attestations',
]);

/**
 * Bearer tokens that are JWTs of certain issuers. Others are refused without verification, and so are tokens that an API
 * server sends to its webhooks, which could reuse them here. A verified token is remembered until it expires or the key
 * set changes.
 */
export function jwtAuthenticator(options: JwtAuthenticatorOptions): Authenticator {
  const { name, keys, issuers, identityOf, maxCached, now } = options;
  const verified = new TokenCache<Authentication>(maxCached, now);
  let version = keys.version;

  function forgetIfKeysChanged(): void {
    if (keys.version === version) return;
    verified.clear();
    version = keys.version;
  }

  async function verify(token: string, key: TokenKey): Promise<Authentication> {
    const versionBefore = keys.version;
    try {
      const claims = await verifyJwt(token, options);
      requireNoWebhook(claims);
      const { identity, validUntil } = identityOf(claims);
      forgetIfKeysChanged();
      // Simultaneous requests get one identity.
      const known = verified.get(key);
      if (known !== undefined) return known;
      const authentication: Authentication = Object.freeze({ kind: 'authenticated', identity });
      // If the keys changed meanwhile, it is unknown which ones verified it.
      if (version === versionBefore) verified.set(key, authentication, validUntil);
      return authentication;
    } catch (error) {
      if (error instanceof TokenFault) return refused(error.message);
      throw error;
    }
  }

  return {
    name,
    authenticate(credentials) {
      const token = bearerToken(credentials);
      if (typeof token !== 'string') return token;
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

function requireNoWebhook({ 'kubernetes.io': kubernetes }: Claims): void {
  if (typeof kubernetes !== 'object' || kubernetes === null) return;
  if (Object.keys(kubernetes).some((claim) => webhookBindings.has(claim.toLowerCase()))) {
    throw new TokenFault('the token is bound to a webhook configuration');
  }
}
