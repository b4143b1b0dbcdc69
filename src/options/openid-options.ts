import { OidcOptionError } from '../authentication/authentication-errors.js';
import { keyAlgorithms } from '../authentication/tokens/jwt/verify-jwt.js';
import type { OidcOptions } from '../authentication/tokens/oidc/oidc.js';
import { keyDownloads } from './option-events.js';
import type { OpenAuthenticator } from './starting.js';
import { fault, flagName, needs, othersNeed, topic, type Option } from './option.js';
import { choices, file, pairs, text } from './option-kinds.js';
import { openAuthorities } from './authentication-options.js';

export const openid = topic(
  'Authentication: OpenID',
  {
    oidcIssuerUrl: text('url').help(
      'https URL of the OpenID provider whose ID tokens are accepted; its keys are downloaded in the background',
    ),
    oidcClientId: text('id').help(
      `client ID that the audiences of an ID token must include; required with ${flagName('oidcIssuerUrl')}`,
    ),
    oidcCaFile: file({ followed: true }).help(
      'PEM bundle of the CAs of the OpenID provider; unset: the CAs that Node.js trusts',
    ),
    oidcUsernameClaim: text('claim', 'sub').help('claim to use as the user name'),
    oidcUsernamePrefix: text('prefix').help(
      'prefix of user names, - for none; unset: the issuer and #, or none if the claim is email',
    ),
    oidcGroupsClaim: text('claim').help(
      'claim to use as the groups of the user, a string or a list of strings',
    ),
    oidcGroupsPrefix: text('prefix').help('prefix of group names'),
    oidcSigningAlgs: choices('algorithms', [...keyAlgorithms], ['RS256']).help(
      'accepted signature algorithms of ID tokens: RS, ES or PS with 256, 384 or 512',
    ),
    oidcRequiredClaim: pairs('key=value', /^([^=]+)=(.*)$/s).help(
      'claims and their values that an ID token must have',
    ),
  },
  [othersNeed('oidcIssuerUrl'), needs('oidcIssuerUrl', 'oidcClientId')],
);

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

export const openOpenId: OpenAuthenticator = async (given, { files, logger, telemetry, opened }) => {
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
    onRefresh: keyDownloads(oidcIssuerUrl, logger, telemetry),
  };
  try {
    return opened.add(oidcAuthenticator(options));
  } catch (error) {
    if (!(error instanceof OidcOptionError)) throw error;
    throw fault(origins[error.option] ?? oidcIssuerUrl, error.fault);
  }
};
