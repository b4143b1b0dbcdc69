import type { Authenticator } from '../authentication/authenticator.js';
import { OidcOptionError } from '../authentication/authentication-errors.js';
import { oidcSigningAlgorithms, type OidcOptions } from '../authentication/tokens/oidc/oidc-options.js';
import type { AuthenticationContext } from './option-events.js';
import { fault, flagName, needs, topic, type GivenOptions, type Option } from './option.js';
import { choices, file, pairs, text } from './option-kinds.js';
import { openAuthorities } from './authentication-options.js';

export const openid = topic(
  'Authentication: OpenID',
  {
    oidcIssuerUrl: text(
      'url',
      undefined,
      'https URL of the OpenID provider whose ID tokens are accepted; asked for its keys in the background',
    ),
    oidcClientId: text(
      'id',
      undefined,
      `what ID tokens have to be for, among their audiences; required beside ${flagName('oidcIssuerUrl')}`,
    ),
    oidcCaFile: file(
      { followed: true },
      "PEM bundle of the authorities of the OpenID provider; without it, Node's own",
    ),
    oidcUsernameClaim: text('claim', 'sub', "claim that brings the user's name"),
    oidcUsernamePrefix: text(
      'prefix',
      undefined,
      'what is put before user names, - for nothing; without it, the issuer and #, or nothing before an email',
    ),
    oidcGroupsClaim: text(
      'claim',
      undefined,
      "claim that brings the user's groups, a string or a list of strings",
    ),
    oidcGroupsPrefix: text('prefix', undefined, 'what is put before group names'),
    oidcSigningAlgs: choices(
      'algorithms',
      [...oidcSigningAlgorithms],
      ['RS256'],
      'algorithms ID tokens may be signed with: RS, ES or PS with 256, 384 or 512',
    ),
    oidcRequiredClaim: pairs(
      'key=value',
      /^([^=]+)=(.*)$/s,
      'claims that ID tokens have to have, with these values',
    ),
  },
  [
    needs(
      [
        'oidcClientId',
        'oidcCaFile',
        'oidcUsernameClaim',
        'oidcUsernamePrefix',
        'oidcGroupsClaim',
        'oidcGroupsPrefix',
        'oidcSigningAlgs',
        'oidcRequiredClaim',
      ],
      'oidcIssuerUrl',
    ),
    needs('oidcIssuerUrl', 'oidcClientId'),
  ],
);

/** Which option one of the authenticator's comes from. */
const origins: Readonly<Record<string, Option | undefined>> = {
  issuerUrl: openid.options.oidcIssuerUrl,
  clientId: openid.options.oidcClientId,
  usernameClaim: openid.options.oidcUsernameClaim,
  usernamePrefix: openid.options.oidcUsernamePrefix,
  groupsClaim: openid.options.oidcGroupsClaim,
  groupsPrefix: openid.options.oidcGroupsPrefix,
  signingAlgorithms: openid.options.oidcSigningAlgs,
  requiredClaims: openid.options.oidcRequiredClaim,
};

/** Clients with an ID token. @throws UsageError naming the option. */
export async function openOpenId(
  given: GivenOptions,
  { files, events, opened }: AuthenticationContext,
): Promise<Authenticator | undefined> {
  const values = openid.read(given);
  const { oidcIssuerUrl: issuerUrl, oidcClientId: clientId } = values;
  if (issuerUrl === undefined || clientId === undefined) return undefined;
  const { oidcAuthenticator } = await import('../authentication/tokens/oidc/oidc.js');
  const { oidcIssuerUrl, oidcCaFile } = openid.options;
  const options: OidcOptions = {
    issuerUrl,
    clientId,
    ca: await openAuthorities(oidcCaFile, values.oidcCaFile, files),
    usernameClaim: values.oidcUsernameClaim,
    usernamePrefix: values.oidcUsernamePrefix,
    groupsClaim: values.oidcGroupsClaim,
    groupsPrefix: values.oidcGroupsPrefix,
    signingAlgorithms: values.oidcSigningAlgs,
    requiredClaims: values.oidcRequiredClaim,
    onRefresh: (result, reason) => {
      events.onKeyRefresh(oidcIssuerUrl.name, result, reason);
    },
  };
  try {
    return opened.add(oidcAuthenticator(options));
  } catch (error) {
    if (!(error instanceof OidcOptionError)) throw error;
    throw fault(origins[error.option] ?? oidcIssuerUrl, error.fault);
  }
}
