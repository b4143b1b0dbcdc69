import { reloadableAuthenticator, type PeerCertificates } from '../authentication/authenticator.js';
import { serverKindOf } from './general-options.js';
import { blamingFile, type FollowedOptionFiles } from './followed-option-files.js';
import { topic, type GivenOptions, type Option, excludes, flagName, needs } from './option.js';
import { file, list, names, boolean, files, parsed, text } from './option-kinds.js';
import type { KeySet } from '../authentication/tokens/jwt/key-set.js';
import { httpsUrl } from '../outgoing/https-json.js';
import { keyDownloads } from './option-events.js';
import type { OpenAuthenticator, Opening } from './starting.js';

export const certificates = topic('Authentication: certificates and front proxies', {
  clientCaFile: file({ followed: true }).help(
    'PEM bundle of the CAs whose client certificates are accepted: CN is the user name, O are the groups',
  ),
  requestheaderClientCaFile: file({ followed: true }).help(
    'PEM bundle of the CAs of the front proxies whose X-Remote-* headers are trusted',
  ),
  requestheaderAllowedNames: names('names').help(
    'CNs of the trusted front proxies; unset: every certificate signed by their CA',
  ),
  requestheaderUsernameHeaders: names('headers', ['X-Remote-User']).help(
    'headers to read the user name from; the first one present is used',
  ),
  // These headers alone may be an empty list: a uid decides nothing.
  requestheaderUidHeaders: list('headers', []).help('headers to read the uid of the user from'),
  requestheaderGroupHeaders: names('headers', ['X-Remote-Group']).help(
    'headers to read the groups of the user from, one group in each',
  ),
  requestheaderExtraHeadersPrefix: names('prefixes', ['X-Remote-Extra-']).help(
    'prefixes of the headers to read extra fields from, such as scopes and warrants',
  ),
});

export const openFrontProxy: OpenAuthenticator = async (given, { files, telemetry }) => {
  const values = certificates.read(given);
  const { requestheaderAllowedNames: allowedNames, requestheaderClientCaFile: caFile } = values;
  const verifier = await openVerifier(certificates.options.requestheaderClientCaFile, caFile, files);
  if (verifier === undefined) return undefined;
  const { requestHeaderAuthenticator } = await import('../authentication/front-proxy.js');
  return requestHeaderAuthenticator({
    verifier,
    usernameHeaders: values.requestheaderUsernameHeaders,
    uidHeaders: values.requestheaderUidHeaders.filter((name) => name.trim() !== ''),
    groupHeaders: values.requestheaderGroupHeaders,
    extraHeadersPrefixes: values.requestheaderExtraHeadersPrefix,
    ...(allowedNames.length > 0 && { allowedNames }),
    onSpoofed: telemetry.spoofedHeaders,
  });
};

export const openClientCertificates: OpenAuthenticator = async (given, { files }) => {
  const { clientCaFile } = certificates.read(given);
  const verifier = await openVerifier(certificates.options.clientCaFile, clientCaFile, files);
  if (verifier === undefined) return undefined;
  const { clientCertificateAuthenticator } =
    await import('../authentication/certificates/client-certificate.js');
  // kcp's cache server ignores a certificate that it cannot verify; a shard refuses it.
  const unverified = serverKindOf(given) === 'cache-server' ? 'ignore' : 'refuse';
  return clientCertificateAuthenticator({ verifier, unverified });
};

/** Verifies by the CAs that are in the file at that time. */
async function openVerifier(option: Option, file: string | undefined, files: FollowedOptionFiles) {
  if (file === undefined) return undefined;
  const { createCertificateVerifier } =
    await import('../authentication/certificates/certificate-verifier.js');
  const authorities = await files.openOne(option, file, (pem) => ({
    pem,
    verifier: blamingFile(file, () => createCertificateVerifier({ authorities: pem })),
  }));
  files.addCertificates(option, file, () => authorities.current.pem);
  return { verify: (peer: PeerCertificates) => authorities.current.verifier.verify(peer) };
}

export const tokens = topic('Authentication: token file and anonymous', {
  tokenAuthFile: file({ followed: true, secret: true }).help(
    'CSV of static bearer tokens: token,user,uid,"group1,group2"',
  ),
  anonymousAuth: boolean(true).help(
    'treat requests without credentials as system:anonymous; false answers them 401',
  ),
});

export const openTokenFile: OpenAuthenticator = async (given, { files: followed }) => {
  const { tokenAuthFile } = tokens.read(given);
  if (tokenAuthFile === undefined) return undefined;
  const { tokenFileAuthenticator } = await import('../authentication/tokens/token-file.js');
  const read = await followed.openOne(tokens.options.tokenAuthFile, tokenAuthFile, (content, name) =>
    tokenFileAuthenticator({ text: content, file: name }),
  );
  return reloadableAuthenticator('token-file', read);
};

const keyFile = flagName('serviceAccountKeyFile');
const jwksUri = flagName('serviceAccountJwksUri');

export const serviceAccounts = topic(
  'Authentication: service accounts',
  {
    serviceAccountKeyFile: files({ followed: true }).help(
      'PEM public keys, private keys or certificates to verify service-account tokens with, offline',
    ),
    serviceAccountIssuer: names('issuers').help(
      'accepted issuers of service-account tokens; kubernetes/serviceaccount accepts legacy tokens, which never expire',
    ),
    apiAudiences: names('audiences').help(
      `accepted audiences of service-account tokens and of reviewed tokens; a token needs one of them; unset: those of ${flagName('serviceAccountIssuer')}`,
    ),
    serviceAccountJwksUri: parsed(text('url'), (uri) => {
      if (httpsUrl(uri) !== undefined) return uri;
      throw new RangeError('must be an https URL without user name and fragment');
    }).help(`https URL of the JWKS to use instead of ${keyFile}; downloaded in the background`),
    serviceAccountJwksCaFile: file({ followed: true }).help(
      `PEM bundle of the CAs of ${jwksUri}; unset: the CAs that Node.js trusts`,
    ),
  },
  [
    needs('serviceAccountJwksCaFile', 'serviceAccountJwksUri'),
    excludes('serviceAccountJwksUri', 'serviceAccountKeyFile'),
    needs(['serviceAccountJwksUri', 'serviceAccountKeyFile'], 'serviceAccountIssuer'),
  ],
);

/** The accepted audiences; empty if no option sets any. @throws UsageError naming the option. */
export function audiencesOf(given: GivenOptions): readonly string[] {
  const { apiAudiences, serviceAccountIssuer } = serviceAccounts.read(given);
  return apiAudiences.length > 0 ? apiAudiences : serviceAccountIssuer;
}

export const openServiceAccounts: OpenAuthenticator = async (given, opening) => {
  const values = serviceAccounts.read(given);
  const { serviceAccountKeyFile: keyFiles, serviceAccountJwksUri: uri } = values;
  if (keyFiles.length === 0 && uri === undefined) return undefined;
  const keys =
    uri === undefined
      ? await keysInFiles(keyFiles, opening)
      : await publishedKeys(uri, values.serviceAccountJwksCaFile, opening);
  const { serviceAccountAuthenticator } = await import('../authentication/tokens/service-account.js');
  const audiences = audiencesOf(given);
  return serviceAccountAuthenticator({ keys, issuers: values.serviceAccountIssuer, audiences });
};

async function keysInFiles(keyFiles: readonly string[], { files: followedFiles }: Opening): Promise<KeySet> {
  const { parsePublicKeys } = await import('../authentication/tokens/jwt/verification-keys.js');
  const { staticKeySet } = await import('../authentication/tokens/jwt/key-set.js');
  const { serviceAccountKeyFile } = serviceAccounts.options;
  const followed = await followedFiles.open(serviceAccountKeyFile, keyFiles, (contents) =>
    staticKeySet(contents.flatMap(({ file: name, bytes }) => parsePublicKeys(bytes.toString('utf8'), name))),
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
  { files: followed, logger, telemetry, opened }: Opening,
): Promise<KeySet> {
  const { serviceAccountJwksCaFile, serviceAccountJwksUri } = serviceAccounts.options;
  const ca = await openAuthorities(serviceAccountJwksCaFile, caFile, followed);
  const { RemoteKeySet } = await import('../authentication/tokens/jwt/remote-key-set.js');
  const onRefresh = keyDownloads(serviceAccountJwksUri, logger, telemetry);
  return opened.add(new RemoteKeySet({ owner: uri, location: uri, ca, onRefresh }));
}

/** The current PEM bundle of a server's CAs; undefined if no file is set. @throws UsageError */
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
