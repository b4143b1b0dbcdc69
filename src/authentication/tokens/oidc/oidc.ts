import { getHttpsJson, type HttpsJsonOptions, httpsUrl } from '../../../outgoing/https-json.js';
import { KeySetError } from '../../authentication-errors.js';
import type { Authenticator } from '../../authenticator.js';
import { dateText, numericDate, requireAudience, TokenFault } from '../jwt/claims.js';
import { jwtAuthenticator } from '../jwt/jwt-authenticator.js';
import { RemoteKeySet } from '../jwt/remote-key-set.js';
import { claimedIdentity } from './oidc-claims.js';
import { oidcConfiguration, type OidcOptions } from './oidc-options.js';
import { aFunction, aText, checkOptions, optional, texts } from '../../../option-checks.js';

/** An authenticator that downloads keys in the background until it is closed. */
export interface OidcAuthenticator extends Authenticator {
  close(): void;
}

/**
 * ID tokens of one OpenID provider (OpenID Connect Core 1.0, section 2), verified as kube-apiserver does behind its
 * flags `--oidc-*`. The provider's keys are found and downloaded in the background. Until then its tokens are
 * refused at once, as those of other issuers always are.
 *
 * @throws OidcOptionError
 */
export function oidcAuthenticator(options: OidcOptions): OidcAuthenticator {
  checkOptions(options, {
    issuerUrl: aText,
    clientId: aText,
    ca: optional(aFunction),
    usernameClaim: optional(aText),
    usernamePrefix: optional(aText),
    groupsClaim: optional(aText),
    groupsPrefix: optional(aText),
    signingAlgorithms: optional(texts),
    now: optional(aFunction),
  });
  const { issuerUrl, clientId, mapping, signingAlgorithms } = oidcConfiguration(options);
  const { ca, now = Date.now, onRefresh } = options;
  const keys = new RemoteKeySet({
    owner: issuerUrl,
    location: (request) => discoverKeysUrl(issuerUrl, request),
    ca,
    onRefresh,
  });
  const audiences: ReadonlySet<string> = new Set([clientId]);
  const authenticator = jwtAuthenticator({
    name: 'oidc',
    keys,
    issuers: issuersOf(issuerUrl),
    algorithms: signingAlgorithms,
    // By how much `nbf` may be ahead. `exp` is exact to the second, as in kube-apiserver.
    leewaySeconds: 60,
    now,
    maxCached: 4_096,
    identityOf(claims) {
      const expires = numericDate(claims['exp']);
      if (expires === undefined) throw new TokenFault('there is no exp');
      if (now() > expires * 1000) throw new TokenFault(`expired at ${dateText(expires)}`);
      requireAudience(claims, audiences);
      return { identity: claimedIdentity(claims, mapping), validUntil: expires * 1000 + 1 };
    },
  });
  return {
    ...authenticator,
    close() {
      keys.close();
    },
  };
}

/** Google's tokens may leave out the scheme; kube-apiserver makes the same exception. */
function issuersOf(issuerUrl: string): ReadonlySet<string> {
  const google = 'https://accounts.google.com';
  return new Set(issuerUrl === google ? [issuerUrl, 'accounts.google.com'] : [issuerUrl]);
}

/**
 * The URL of an issuer's keys, from its discovery document (OpenID Connect Discovery 1.0, section 4).
 *
 * @throws KeySetError if the document is of another issuer or has no https URL; what getHttpsJson throws if there is
 * none.
 */
async function discoverKeysUrl(issuerUrl: string, options: HttpsJsonOptions): Promise<string> {
  const url = `${issuerUrl.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const document = await getHttpsJson(url, options);
  const unusable = (what: string) => new KeySetError(`the discovery document of ${issuerUrl} ${what}`);
  if (typeof document !== 'object' || document === null) throw unusable('is no JSON object');
  const { issuer, jwks_uri: keysUrl } = document as {
    readonly issuer?: unknown;
    readonly jwks_uri?: unknown;
  };
  if (issuer !== issuerUrl) throw unusable('is of another issuer');
  if (typeof keysUrl !== 'string' || httpsUrl(keysUrl) === undefined)
    throw unusable('names no https URL of keys');
  return keysUrl;
}
