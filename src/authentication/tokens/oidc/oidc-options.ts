import type { RemoteKeySetOptions } from '../jwt/remote-key-set.js';
import { systemPrefix, type ClaimMapping } from './oidc-claims.js';
import { OidcOptionError } from '../../authentication-errors.js';
import { httpsUrl } from '../../../outgoing/https-json.js';

/** As kube-apiserver's flags `--oidc-*`. */
export interface OidcOptions {
  /** https, without query and fragment; tokens and the discovery document must have exactly this. */
  readonly issuerUrl: string;
  /** Must be among the token's audiences. */
  readonly clientId: string;
  /** Returns the PEM bundle of the issuer's CAs; called before each download. Default: the CAs of Node. */
  readonly ca?: (() => string | undefined) | undefined;
  /**
   * The claim with the user's name. Default `sub`. With `email`, a token whose `email_verified` is present but not true
   * is refused.
   */
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

/** The options with their defaults. */
interface OidcConfiguration {
  readonly issuerUrl: string;
  readonly clientId: string;
  readonly mapping: ClaimMapping;
  readonly signingAlgorithms: ReadonlySet<string>;
}

/** The supported algorithms: none with a shared secret. */
export const oidcSigningAlgorithms: ReadonlySet<string> = new Set(
  ['RS', 'ES', 'PS'].flatMap((family) => ['256', '384', '512'].map((bits) => `${family}${bits}`)),
);

/** @throws OidcOptionError */
export function oidcConfiguration(options: OidcOptions): OidcConfiguration {
  const { issuerUrl, clientId, usernameClaim = 'sub', groupsClaim, groupsPrefix = '' } = options;
  const { requiredClaims = {}, signingAlgorithms = ['RS256'] } = options;
  const usernamePrefix = usernamePrefixOf(options.usernamePrefix, usernameClaim, issuerUrl);
  const refuseIf = (isWrong: boolean, option: keyof OidcOptions, fault: string): void => {
    if (isWrong) throw new OidcOptionError(option, fault);
  };
  refuseIf(
    httpsUrl(issuerUrl) === undefined,
    'issuerUrl',
    'must be an https URL without user name and fragment',
  );
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
    const fault = `${JSON.stringify(name)} is none of ${[...oidcSigningAlgorithms].join(', ')}`;
    refuseIf(!oidcSigningAlgorithms.has(name), 'signingAlgorithms', fault);
  }
  return Object.freeze({
    issuerUrl,
    clientId,
    mapping: Object.freeze({
      usernameClaim,
      usernamePrefix,
      groupsClaim,
      groupsPrefix,
      requiredClaims: new Map(Object.entries(requiredClaims)),
    }),
    signingAlgorithms: new Set(signingAlgorithms),
  });
}

/** An empty prefix counts as not given, as in kube-apiserver. */
function usernamePrefixOf(prefix: string | undefined, usernameClaim: string, issuerUrl: string): string {
  if (prefix === '-') return '';
  if (prefix !== undefined && prefix !== '') return prefix;
  return usernameClaim === 'email' ? '' : `${issuerUrl}#`;
}
