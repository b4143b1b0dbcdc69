import {
  reloadableAuthenticator,
  type Authenticator,
  type PeerCertificates,
} from '../authentication/authenticator.js';
import { serverKindOf } from './general-options.js';
import { blamingFile, type FollowedOptionFiles } from './followed-option-files.js';
import { topic, type GivenOptions, type Option, excludes, fault, flagName, needs } from './option.js';
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

/** Front proxies and clients, where options ask for them. @throws UsageError naming the option. */
export async function openByCertificate(given: GivenOptions, opening: Opening) {
  const { clientCaFile, requestheaderClientCaFile: proxyCaFile } = certificates.read(given);
  const { options } = certificates;
  // Each is compared with the other whenever it changes.
  const bundles: { clients?: OpenedVerifier | undefined; proxies?: OpenedVerifier | undefined } = {};
  const refuseShared = await sharingCheck(given);
  bundles.proxies = await openVerifier(options.requestheaderClientCaFile, proxyCaFile, opening, (pem) => {
    refuseShared(bundles.clients?.pem(), pem);
  });
  bundles.clients = await openVerifier(options.clientCaFile, clientCaFile, opening, (pem) => {
    refuseShared(pem, bundles.proxies?.pem());
  });
  return [
    bundles.proxies && (await frontProxyAuthenticator(given, bundles.proxies, opening)),
    bundles.clients && (await clientAuthenticator(given, bundles.clients)),
  ];
}

/**
 * Without names of front proxies, an authority that signs clients' certificates as well lets each of its clients speak for
 * anybody. The check takes PEM bundles, and throws for such an authority.
 */
async function sharingCheck(given: GivenOptions) {
  const { clientCaFile, requestheaderClientCaFile, requestheaderAllowedNames } = certificates.read(given);
  const areApart = [clientCaFile, requestheaderClientCaFile].includes(undefined);
  if (areApart || requestheaderAllowedNames.length > 0) return () => undefined;
  const { parseCertificateBundle } = await import('../authentication/certificates/certificate.js');
  const { vouchedFor } = await import('../authentication/certificates/certificate-chains.js');
  return (clients: string | undefined, proxies: string | undefined): void => {
    if (clients === undefined || proxies === undefined) return;
    const [shared] = vouchedFor(parseCertificateBundle(clients), parseCertificateBundle(proxies));
    if (shared === undefined) return;
    const danger = `clients of ${shared.title} are also accepted as front proxies and could impersonate anyone`;
    const advice = `list the front proxies, or use a separate CA for them`;
    throw fault(certificates.options.requestheaderAllowedNames, `required: ${danger}: ${advice}`);
  };
}

async function frontProxyAuthenticator(
  given: GivenOptions,
  verifier: OpenedVerifier,
  { telemetry }: Opening,
): Promise<Authenticator> {
  const values = certificates.read(given);
  const { requestheaderAllowedNames: allowedNames } = values;
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
}

async function clientAuthenticator(given: GivenOptions, verifier: OpenedVerifier): Promise<Authenticator> {
  const { clientCertificateAuthenticator } =
    await import('../authentication/certificates/client-certificate.js');
  // kcp's cache server ignores a certificate that it cannot verify; a shard refuses it.
  const unverified = serverKindOf(given) === 'cache-server' ? 'ignore' : 'refuse';
  return clientCertificateAuthenticator({ verifier, unverified });
}

type OpenedVerifier = NonNullable<Awaited<ReturnType<typeof openVerifier>>>;

/** Verifies by the CAs that are in the file at that time. `check` throws for a bundle that must not be used. */
async function openVerifier(
  option: Option,
  file: string | undefined,
  { files }: Opening,
  check: (pem: string) => void,
) {
  if (file === undefined) return undefined;
  const { createCertificateVerifier } =
    await import('../authentication/certificates/certificate-verifier.js');
  const authorities = await files.openOne(option, file, (pem) => {
    const verifier = blamingFile(file, () => createCertificateVerifier({ authorities: pem }));
    check(pem);
    return { pem, verifier };
  });
  const pem = (): string => authorities.current.pem;
  files.addCertificates(option, file, pem);
  return { pem, verify: (peer: PeerCertificates) => authorities.current.verifier.verify(peer) };
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
