import type { RemoteKeySetOptions } from '../jwt/remote-key-set.js';
import { systemPrefix, type ClaimMapping } from './oidc-claims.js';
import { OidcOptionError } from '../../authentication-errors.js';
import { httpsUrl } from '../../../outgoing/https-json.js';

/** As kube-apiserver's flags `--oidc-*`. */
export interface OidcOptions {
  /** https, without query and fragment; tokens and the discovery document have to say exactly this. */
  readonly issuerUrl: string;
  /** Has to be among the token's audiences. */
  readonly clientId: string;
  /** Returns the PEM bundle of the issuer's CAs; called before each download. Default: the CAs of Node. */
  readonly ca?: (() => string | undefined) | undefined;
  /**
   * The claim with the user's name. Default `sub`. With `email`, a token is refused whose `email_verified` is there
   * and not true.
   */
  readonly usernameClaim?: string | undefined;
  /**
   * What is put before user names; `-` stands for nothing. Default: the issuer's URL and `#`, and nothing before an
   * `email`.
   *
   * A name that begins with `system:`, prefix included, is refused, unlike by kube-apiserver: those names are the
   * API server's own. The same holds for groups, so that no provider makes anyone `system:masters`.
   */
  readonly usernamePrefix?: string | undefined;
  /**
   * The claim with the groups' names, a string or a list of strings. Default: there are no groups. A token that
   * leaves it to another server (`_claim_names`) is refused: no other server is asked.
   */
  readonly groupsClaim?: string | undefined;
  /** What is put before groups' names. Default: nothing. A group that begins with `system:` refuses the token. */
  readonly groupsPrefix?: string | undefined;
  /** Claims that have to be there with these texts as their values. Default: none. */
  readonly requiredClaims?: Readonly<Record<string, string>> | undefined;
  /** RS, ES or PS with 256, 384 or 512. Default RS256. */
  readonly signingAlgorithms?: readonly string[] | undefined;
  /** Milliseconds since the epoch. Default Date.now. */
  readonly now?: (() => number) | undefined;
  /** Told how each download of the issuer's keys ended; the reason is one line. */
  readonly onRefresh?: RemoteKeySetOptions['onRefresh'];
}

/** What the options say, with the defaults in place. */
interface OidcConfiguration {
  readonly issuerUrl: string;
  readonly clientId: string;
  readonly mapping: ClaimMapping;
  readonly signingAlgorithms: ReadonlySet<string>;
}

/** All that may be asked for; none with a secret that both sides know. */
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

/** An empty prefix counts as none given, as with kube-apiserver. */
function usernamePrefixOf(prefix: string | undefined, usernameClaim: string, issuerUrl: string): string {
  if (prefix === '-') return '';
  if (prefix !== undefined && prefix !== '') return prefix;
  return usernameClaim === 'email' ? '' : `${issuerUrl}#`;
}
