import { getHttpsJson, type HttpsJsonOptions, httpsUrl } from '../../../outgoing/https-json.js';
import { KeySetError, OidcOptionError } from '../../authentication-errors.js';
import type { Authenticator } from '../../authenticator.js';
import { dateText, requireAudience, timeIn, TokenFault } from '../jwt/claims.js';
import { jwtAuthenticator } from '../jwt/jwt-authenticator.js';
import { keyAlgorithms } from '../jwt/verify-jwt.js';
import { RemoteKeySet, type RemoteKeySetOptions } from '../jwt/remote-key-set.js';
import { claimedIdentity, systemPrefix, type ClaimMapping } from './oidc-claims.js';
import { aFunction, aText, checkOptions, optional, texts } from '../../../option-checks.js';

/** As kube-apiserver's flags `--oidc-*`. */
export interface OidcOptions {
  /** https, without query and fragment; tokens and the discovery document must have exactly this. */
  readonly issuerUrl: string;
  /** Must be among the token's audiences. */
  readonly clientId: string;
  /** Returns the PEM bundle of the issuer's CAs; called before each download. Default: the CAs of Node. */
  readonly ca?: (() => string | undefined) | undefined;
  /** The claim with the user's name. Default `sub`. With `email`, `email_verified` must be true where it is there. */
  readonly usernameClaim?: string | undefined;
  /**
   * The prefix of user names; `-`: none. Default: the issuer's URL and `#`, and none for `email`.
   *
   * Unlike in kube-apiserver, a name that begins with `system:`, prefix included, is refused: those names are the API
   * server's own. The same holds for groups, so that no provider can make anyone `system:masters`.
   */
  readonly usernamePrefix?: string | undefined;
  /**
   * The claim with the groups' names, a string or a list of strings. Default: no groups. A token that refers to
   * another server for it (`_claim_names`) is refused.
   */
  readonly groupsClaim?: string | undefined;
  /** The prefix of groups' names. Default: none. A token with a group that begins with `system:` is refused. */
  readonly groupsPrefix?: string | undefined;
  /** Required claims, with these strings as their values. Default: none. */
  readonly requiredClaims?: Readonly<Record<string, string>> | undefined;
  /** RS, ES or PS with 256, 384 or 512. Default RS256. */
  readonly signingAlgorithms?: readonly string[] | undefined;
  /** Milliseconds since the epoch. Default Date.now. */
  readonly now?: (() => number) | undefined;
  /** Called with the result of each download of the issuer's keys; the reason is one line. */
  readonly onRefresh?: RemoteKeySetOptions['onRefresh'];
}

/** An authenticator that downloads keys in the background until it is closed. */
export interface OidcAuthenticator extends Authenticator {
  close(): void;
}

/**
 * ID tokens of one OpenID provider (OpenID Connect Core 1.0, section 2), verified as kube-apiserver does behind its
 * flags `--oidc-*`. The provider's keys are found and downloaded in the background. Until then its tokens are
 * refused at once, as those of other issuers always are.
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
      const expires = timeIn(claims, 'exp');
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

/** The options with their defaults. @throws OidcOptionError */
export function oidcConfiguration(options: OidcOptions) {
  const { issuerUrl, clientId, usernameClaim = 'sub', groupsClaim, groupsPrefix = '' } = options;
  const { requiredClaims = {}, signingAlgorithms = ['RS256'] } = options;
  // An empty prefix counts as not given, as in kube-apiserver.
  const prefix = options.usernamePrefix || (usernameClaim === 'email' ? '-' : `${issuerUrl}#`);
  const usernamePrefix = prefix === '-' ? '' : prefix;
  const refuseIf = (isWrong: boolean, option: keyof OidcOptions, fault: string): void => {
    if (isWrong) throw new OidcOptionError(option, fault);
  };
  const isUrl = httpsUrl(issuerUrl) !== undefined;
  refuseIf(!isUrl, 'issuerUrl', 'must be an https URL without user name and fragment');
  refuseIf(issuerUrl.includes('?'), 'issuerUrl', 'must have no query');
  for (const [option, text] of Object.entries({ clientId, usernameClaim, groupsClaim })) {
    refuseIf(text?.trim() === '', option as keyof OidcOptions, 'must not be empty');
  }
  for (const [name, value] of Object.entries(requiredClaims)) {
    refuseIf(name.trim() === '', 'requiredClaims', 'a name is empty');
    refuseIf(value.trim() === '', 'requiredClaims', `the value of ${JSON.stringify(name)} is empty`);
  }
  for (const [option, prefix] of Object.entries({ usernamePrefix, groupsPrefix })) {
    const fault = `must not begin with ${systemPrefix}: such names are the API server's own`;
    refuseIf(prefix.startsWith(systemPrefix), option as keyof OidcOptions, fault);
  }
  refuseIf(signingAlgorithms.length === 0, 'signingAlgorithms', 'must name an algorithm');
  for (const name of signingAlgorithms) {
    const fault = `${JSON.stringify(name)} is none of ${[...keyAlgorithms].join(', ')}`;
    refuseIf(!keyAlgorithms.has(name), 'signingAlgorithms', fault);
  }
  const mapping: ClaimMapping = {
    usernameClaim,
    usernamePrefix,
    groupsClaim,
    groupsPrefix,
    requiredClaims: new Map(Object.entries(requiredClaims)),
  };
  return { issuerUrl, clientId, mapping, signingAlgorithms: new Set(signingAlgorithms) };
}

/** Google's tokens may leave out the scheme; kube-apiserver makes the same exception. */
function issuersOf(issuerUrl: string): ReadonlySet<string> {
  const google = 'https://accounts.google.com';
  return new Set(issuerUrl === google ? [issuerUrl, 'accounts.google.com'] : [issuerUrl]);
}

/**
 * The URL of an issuer's keys, from its discovery document (OpenID Connect Discovery 1.0, section 4).
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
