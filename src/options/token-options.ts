import type { Authenticator } from '../authentication/authenticator.js';
import type { KeySet } from '../authentication/tokens/jwt/key-set.js';
import { httpsUrl } from '../outgoing/https-json.js';
import type { AuthenticationContext } from './authentication-context.js';
import { blamingFile, type FollowedOptionFiles } from './followed-option-files.js';
import { excludes, flagName, needs, topic, type GivenOptions, type Option } from './option.js';
import { boolean, file, files, names, parsed, text } from './option-kinds.js';

export const tokens = topic('Authentication: tokens in a file, and nobody', {
  tokenAuthFile: file(
    { followed: true, secret: true },
    'CSV of static bearer tokens: token,user,uid,"group1,group2"',
  ),
  anonymousAuth: boolean(true, 'whether a request without credentials is system:anonymous rather than 401'),
});

/** Clients with one of the file's tokens. @throws UsageError naming the option. */
export async function openTokenFile(
  given: GivenOptions,
  { files: followed }: AuthenticationContext,
): Promise<Authenticator | undefined> {
  const { tokenAuthFile } = tokens.read(given);
  if (tokenAuthFile === undefined) return undefined;
  const { tokenFileAuthenticator } = await import('../authentication/tokens/token-file.js');
  const { reloadableAuthenticator } = await import('../authentication/authenticator.js');
  const read = await followed.openOne(tokens.options.tokenAuthFile, tokenAuthFile, (content, name) =>
    tokenFileAuthenticator({ text: content, file: name }),
  );
  return reloadableAuthenticator('token-file', read);
}

const keyFile = flagName('serviceAccountKeyFile');
const jwksUri = flagName('serviceAccountJwksUri');

export const serviceAccounts = topic(
  'Authentication: service accounts',
  {
    serviceAccountKeyFile: files(
      { followed: true },
      'PEM public keys, private keys or certificates that service-account tokens are verified with, without asking a server',
    ),
    serviceAccountIssuer: names(
      'issuers',
      undefined,
      'issuers whose service-account tokens are accepted; kubernetes/serviceaccount lets legacy tokens in, which never expire',
    ),
    apiAudiences: names(
      'audiences',
      undefined,
      `audiences of which a service-account token, or one that is reviewed, has to be for one; without it, those of ${flagName('serviceAccountIssuer')}`,
    ),
    serviceAccountJwksUri: parsed(
      text('url', undefined, `https URL of the keys, in place of ${keyFile}; read in the background`),
      (uri) => {
        if (httpsUrl(uri) !== undefined) return uri;
        throw new RangeError('must be an https URL without user name and fragment');
      },
    ),
    serviceAccountJwksCaFile: file(
      { followed: true },
      `PEM bundle of the authorities of ${jwksUri}; without it, Node's own`,
    ),
  },
  [
    needs('serviceAccountJwksCaFile', 'serviceAccountJwksUri'),
    excludes('serviceAccountJwksUri', 'serviceAccountKeyFile'),
    needs(['serviceAccountJwksUri', 'serviceAccountKeyFile'], 'serviceAccountIssuer'),
  ],
);

/** What tokens have to be for; empty where no option says. @throws UsageError naming the option. */
export function audiencesOf(given: GivenOptions): readonly string[] {
  const { apiAudiences, serviceAccountIssuer } = serviceAccounts.read(given);
  return apiAudiences.length > 0 ? apiAudiences : serviceAccountIssuer;
}

/** Service accounts with a token that can be verified here. @throws UsageError naming the option. */
export async function openServiceAccounts(
  given: GivenOptions,
  context: AuthenticationContext,
): Promise<Authenticator | undefined> {
  const values = serviceAccounts.read(given);
  const { serviceAccountKeyFile: keyFiles, serviceAccountJwksUri: uri } = values;
  if (keyFiles.length === 0 && uri === undefined) return undefined;
  const keys =
    uri === undefined
      ? await keysInFiles(keyFiles, context)
      : await publishedKeys(uri, values.serviceAccountJwksCaFile, context);
  const { serviceAccountAuthenticator } = await import('../authentication/tokens/service-account.js');
  return serviceAccountAuthenticator({
    keys,
    issuers: values.serviceAccountIssuer,
    audiences: audiencesOf(given),
  });
}

async function keysInFiles(keyFiles: readonly string[], context: AuthenticationContext): Promise<KeySet> {
  const { parsePublicKeys } = await import('../authentication/tokens/jwt/verification-keys.js');
  const { staticKeySet } = await import('../authentication/tokens/jwt/key-set.js');
  const followed = await context.files.open(
    serviceAccounts.options.serviceAccountKeyFile,
    keyFiles,
    (contents) =>
      staticKeySet(
        contents.flatMap(({ file: name, bytes }) => parsePublicKeys(bytes.toString('utf8'), name)),
      ),
  );
  return {
    get version() {
      return followed.current.version;
    },
    find: (header) => followed.current.find(header),
  };
}

async function publishedKeys(
  uri: string,
  caFile: string | undefined,
  { files: followed, events, opened }: AuthenticationContext,
): Promise<KeySet> {
  const { serviceAccountJwksCaFile, serviceAccountJwksUri } = serviceAccounts.options;
  const ca = await openAuthorities(serviceAccountJwksCaFile, caFile, followed);
  const { RemoteKeySet } = await import('../authentication/tokens/jwt/remote-key-set.js');
  return opened.add(
    new RemoteKeySet({
      owner: uri,
      location: uri,
      ca,
      onRefresh: (result, reason) => {
        events.onKeyRefresh(serviceAccountJwksUri.name, result, reason);
      },
    }),
  );
}

/** The PEM bundle that may vouch for a server, as it is now; undefined where there is no file. @throws UsageError */
export async function openAuthorities(
  option: Option,
  caFile: string | undefined,
  followed: FollowedOptionFiles,
): Promise<(() => string) | undefined> {
  if (caFile === undefined) return undefined;
  const { parseCertificateBundle } = await import('../authentication/certificates/certificate.js');
  const bundle = await followed.openOne(option, caFile, (pem) => {
    blamingFile(caFile, () => parseCertificateBundle(pem));
    return pem;
  });
  return () => bundle.current;
}
