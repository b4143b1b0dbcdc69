import type { Authenticator } from '../../authentication/authenticator.js';
import { type KeySet, staticKeySet } from '../../authentication/tokens/jwt/key-set.js';
import { parsePublicKeys } from '../../authentication/tokens/jwt/verification-keys.js';
import { RemoteKeySet } from '../../authentication/tokens/jwt/remote-key-set.js';
import { serviceAccountAuthenticator } from '../../authentication/tokens/service-account.js';
import { namesOf } from '../flag-values.js';
import { isGiven, listOf, valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError } from '../usage-error.js';
import { authorityFileOf } from './authority-file.js';
import type { AuthenticationContext } from './authentication-context.js';
import { httpsUrl } from '../../outgoing/https-json.js';

export const serviceAccountKeyFile: Flag = {
  name: '--service-account-key-file',
  value: 'files',
  isList: true,
  description:
    'PEM public keys, private keys or certificates that service-account tokens are verified with, without asking a server',
};
export const serviceAccountIssuer: Flag = {
  name: '--service-account-issuer',
  value: 'issuers',
  isList: true,
  description:
    'issuers whose service-account tokens are accepted; kubernetes/serviceaccount lets legacy tokens in, which never expire',
};
const jwksUri: Flag = {
  name: '--service-account-jwks-uri',
  value: 'url',
  description: 'https URL of the keys, in place of --service-account-key-file; read in the background',
};
const jwksCaFile: Flag = {
  name: '--service-account-jwks-ca-file',
  value: 'file',
  description: "PEM bundle of the authorities of --service-account-jwks-uri; without it, Node's own",
};
const apiAudiences: Flag = {
  name: '--api-audiences',
  value: 'audiences',
  isList: true,
  description:
    'audiences of which a service-account token, or one that is reviewed, has to be for one; without it, those of --service-account-issuer',
};

export const serviceAccountFlags: readonly Flag[] = [
  serviceAccountKeyFile,
  serviceAccountIssuer,
  apiAudiences,
  jwksUri,
  jwksCaFile,
];

/** What tokens have to be for; empty where no flag says. @throws UsageError naming the flag. */
export function audiencesOf(values: FlagValues): readonly string[] {
  const given = namesOf(values, apiAudiences);
  return given.length > 0 ? given : namesOf(values, serviceAccountIssuer);
}

/** Who brings a service account's token that can be verified here. @throws UsageError naming the flag. */
export async function serviceAccountOf(
  values: FlagValues,
  context: AuthenticationContext,
): Promise<Authenticator | undefined> {
  const keys = await keysOf(values, context);
  const issuers = namesOf(values, serviceAccountIssuer);
  const audiences = audiencesOf(values);
  if (keys === undefined) return undefined;
  if (issuers.length === 0) {
    const flag = isGiven(values, jwksUri) ? jwksUri : serviceAccountKeyFile;
    throw new UsageError(`${flag.name}: needs ${serviceAccountIssuer.name}`);
  }
  return serviceAccountAuthenticator({ keys, issuers, audiences });
}

async function keysOf(values: FlagValues, context: AuthenticationContext): Promise<KeySet | undefined> {
  const files = listOf(values, serviceAccountKeyFile);
  const uri = valueOf(values, jwksUri);
  if (uri === undefined && isGiven(values, jwksCaFile)) {
    throw new UsageError(`${jwksCaFile.name}: needs ${jwksUri.name}`);
  }
  if (files.length > 0) {
    if (uri === undefined) return keysInFiles(files, context);
    throw new UsageError(`${jwksUri.name}: cannot stand beside ${serviceAccountKeyFile.name}`);
  }
  return uri === undefined ? undefined : publishedKeys(values, uri, context);
}

async function keysInFiles(files: readonly string[], context: AuthenticationContext): Promise<KeySet> {
  const followed = await context.files.open(serviceAccountKeyFile, files, (contents) =>
    staticKeySet(contents.flatMap(({ file, bytes }) => parsePublicKeys(bytes.toString('utf8'), file))),
  );
  return {
    get version() {
      return followed.current.version;
    },
    find: (header) => followed.current.find(header),
  };
}

async function publishedKeys(
  values: FlagValues,
  uri: string,
  { files, events, opened }: AuthenticationContext,
): Promise<KeySet> {
  if (httpsUrl(uri) === undefined) {
    throw new UsageError(`${jwksUri.name}: must be an https URL without user name and fragment`);
  }
  const ca = await authorityFileOf(values, jwksCaFile, files);
  return opened.add(
    new RemoteKeySet({
      owner: uri,
      location: uri,
      ca,
      onRefresh: (result, reason) => {
        events.onKeyRefresh(jwksUri.name, result, reason);
      },
    }),
  );
}
