import type { Authenticator } from '../../authenticator.js';
import { audienceFault } from '../jwt/audiences.js';
import type { JsonObject } from '../jwt/json-object.js';
import { jwtAuthenticator, type JwtIdentity } from '../jwt/jwt-authenticator.js';
import { dateText, numericDate } from '../jwt/numeric-date.js';
import { RemoteKeySet } from '../jwt/remote-key-set.js';
import { discoverKeysUrl } from './discovery.js';
import { claimedIdentity, type ClaimMapping } from './oidc-claims.js';
import { oidcConfiguration, type OidcOptions } from './oidc-options.js';

/** An authenticator that downloads keys in the background until it is closed. */
export interface OidcAuthenticator extends Authenticator {
  close(): void;
}

const maxCached = 4_096;
/** By how much `nbf` may be ahead. `exp` counts to the second, as it does for kube-apiserver. */
const leewaySeconds = 60;

/**
 * ID tokens of one OpenID provider (OpenID Connect Core 1.0, section 2), verified as kube-apiserver does behind its
 * flags `--oidc-*`. The provider's keys are found and downloaded in the background. Until they are there its tokens
 * are refused at once; tokens of other issuers always are.
 *
 * @throws OidcOptionError
 */
export function oidcAuthenticator(options: OidcOptions): OidcAuthenticator {
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
    leewaySeconds,
    now,
    maxCached,
    identityOf: (claims) => identityOf(claims, audiences, mapping, now()),
  });
  return {
    ...authenticator,
    close() {
      keys.close();
    },
  };
}

function identityOf(
  claims: JsonObject,
  audiences: ReadonlySet<string>,
  mapping: ClaimMapping,
  now: number,
): JwtIdentity {
  const expires = numericDate(claims['exp']);
  if (expires === undefined) return refused('there is no exp');
  if (now > expires * 1000) return refused(`expired at ${dateText(expires)}`);
  const fault = audienceFault(claims['aud'], audiences);
  if (fault !== undefined) return refused(fault);
  const claimed = claimedIdentity(claims, mapping);
  return claimed.kind === 'refused'
    ? claimed
    : { kind: 'identity', identity: claimed.identity, validUntil: expires * 1000 + 1 };
}

/** Google's tokens may leave out the scheme; kube-apiserver knows that of Google alone, too. */
function issuersOf(issuerUrl: string): ReadonlySet<string> {
  const google = 'https://accounts.google.com';
  return new Set(issuerUrl === google ? [issuerUrl, 'accounts.google.com'] : [issuerUrl]);
}

function refused(reason: string): JwtIdentity {
  return { kind: 'refused', reason };
}
