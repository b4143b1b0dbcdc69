import type { Authenticator } from '../../authentication/authenticator.js';
import { oidcAuthenticator } from '../../authentication/tokens/oidc/oidc.js';
import { oidcSigningAlgorithms, type OidcOptions } from '../../authentication/tokens/oidc/oidc-options.js';
import { isGiven, listOf, valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError } from '../usage-error.js';
import type { AuthenticationContext } from './authentication-context.js';
import { authorityFileOf } from './authority-file.js';
import { OidcOptionError } from '../../authentication/authentication-errors.js';

const issuerUrl: Flag = {
  name: '--oidc-issuer-url',
  value: 'url',
  description:
    'https URL of the OpenID provider whose ID tokens are accepted; asked for its keys in the background',
};
const clientId: Flag = {
  name: '--oidc-client-id',
  value: 'id',
  description: 'what ID tokens have to be for, among their audiences; required beside --oidc-issuer-url',
};
const caFile: Flag = {
  name: '--oidc-ca-file',
  value: 'file',
  description: "PEM bundle of the authorities of the OpenID provider; without it, Node's own",
};
const usernameClaim: Flag = {
  name: '--oidc-username-claim',
  value: 'claim',
  default: 'sub',
  description: "claim that brings the user's name",
};
const usernamePrefix: Flag = {
  name: '--oidc-username-prefix',
  value: 'prefix',
  description:
    'what is put before user names, - for nothing; without it, the issuer and #, or nothing before an email',
};
const groupsClaim: Flag = {
  name: '--oidc-groups-claim',
  value: 'claim',
  description: "claim that brings the user's groups, a string or a list of strings",
};
const groupsPrefix: Flag = {
  name: '--oidc-groups-prefix',
  value: 'prefix',
  description: 'what is put before group names',
};
const signingAlgorithms: Flag = {
  name: '--oidc-signing-algs',
  value: 'algorithms',
  isList: true,
  choices: [...oidcSigningAlgorithms],
  default: 'RS256',
  description: 'algorithms ID tokens may be signed with: RS, ES or PS with 256, 384 or 512',
};
const requiredClaim: Flag = {
  name: '--oidc-required-claim',
  value: 'key=value',
  isList: true,
  description: 'claims that ID tokens have to have, with these values',
};

export const oidcFlags: readonly Flag[] = [
  issuerUrl,
  clientId,
  caFile,
  usernameClaim,
  usernamePrefix,
  groupsClaim,
  groupsPrefix,
  signingAlgorithms,
  requiredClaim,
];

/** Which flag an option comes from. */
const flagsOfOptions: Readonly<Record<string, Flag>> = {
  issuerUrl,
  clientId,
  usernameClaim,
  usernamePrefix,
  groupsClaim,
  groupsPrefix,
  signingAlgorithms,
  requiredClaims: requiredClaim,
};

/** Who brings an ID token. @throws UsageError naming the flag. */
export async function oidcOf(
  values: FlagValues,
  { files, events, opened }: AuthenticationContext,
): Promise<Authenticator | undefined> {
  const issuer = valueOf(values, issuerUrl);
  const client = valueOf(values, clientId);
  if (issuer === undefined) {
    const lonely = oidcFlags.find((flag) => isGiven(values, flag));
    if (lonely === undefined) return undefined;
    throw new UsageError(`${lonely.name}: needs ${issuerUrl.name}`);
  }
  if (client === undefined) throw new UsageError(`${issuerUrl.name}: needs ${clientId.name}`);
  const options: OidcOptions = {
    issuerUrl: issuer,
    clientId: client,
    ca: await authorityFileOf(values, caFile, files),
    usernameClaim: valueOf(values, usernameClaim),
    usernamePrefix: valueOf(values, usernamePrefix),
    groupsClaim: valueOf(values, groupsClaim),
    groupsPrefix: valueOf(values, groupsPrefix),
    signingAlgorithms: listOf(values, signingAlgorithms),
    requiredClaims: requiredClaimsOf(values),
    onRefresh: (result, reason) => {
      events.onKeyRefresh(issuerUrl.name, result, reason);
    },
  };
  try {
    return opened.add(oidcAuthenticator(options));
  } catch (error) {
    if (!(error instanceof OidcOptionError)) throw error;
    throw new UsageError(`${(flagsOfOptions[error.option] ?? issuerUrl).name}: ${error.fault}`);
  }
}

function requiredClaimsOf(values: FlagValues): Readonly<Record<string, string>> {
  const claims = new Map<string, string>();
  for (const pair of listOf(values, requiredClaim)) {
    const [key = '', ...rest] = pair.split('=');
    if (key === '' || rest.length === 0) {
      throw new UsageError(`${requiredClaim.name}: ${JSON.stringify(pair)} is not key=value`);
    }
    if (claims.has(key)) {
      throw new UsageError(`${requiredClaim.name}: ${JSON.stringify(key)} stands there twice`);
    }
    claims.set(key, rest.join('='));
  }
  return Object.fromEntries(claims);
}
