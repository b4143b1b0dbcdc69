import type { Authenticator } from '../authentication/authenticator.js';
import type { CertificateVerifier } from '../authentication/certificates/certificate-verifier.js';
import { given as presentOnly } from '../given.js';
import type { ServerKind } from '../paths/classify.js';
import type { AuthenticationContext } from './authentication-context.js';
import { blamingFile, type FollowedOptionFiles } from './followed-option-files.js';
import { topic, type GivenOptions, type Option } from './option.js';
import { file, list, names } from './option-kinds.js';

export const certificates = topic('Authentication: certificates and front proxies', {
  clientCaFile: file(
    { followed: true },
    'PEM bundle of the authorities whose client certificates are accepted: CN is the user, O are groups',
  ),
  requestheaderClientCaFile: file(
    { followed: true },
    'PEM bundle of the authorities of front proxies, whose X-Remote-* headers are believed',
  ),
  requestheaderAllowedNames: names(
    'names',
    undefined,
    'CNs of the front proxies that are believed; without it, every certificate of their authority is',
  ),
  requestheaderUsernameHeaders: names(
    'headers',
    ['X-Remote-User'],
    "headers that may bring the user's name; the first that does counts",
  ),
  // The only headers of which there may be none: a uid decides nothing.
  requestheaderUidHeaders: list('headers', [], "headers that may bring the user's uid"),
  requestheaderGroupHeaders: names(
    'headers',
    ['X-Remote-Group'],
    "headers that bring the user's groups, one in each line",
  ),
  requestheaderExtraHeadersPrefix: names(
    'prefixes',
    ['X-Remote-Extra-'],
    'prefixes of the headers that bring extra fields, such as scopes and warrants',
  ),
});

/** Users for whom a front proxy speaks. @throws UsageError naming the option. */
export async function openFrontProxy(
  given: GivenOptions,
  { files, events }: AuthenticationContext,
): Promise<Authenticator | undefined> {
  const values = certificates.read(given);
  const { requestheaderAllowedNames: allowedNames } = values;
  const option = certificates.options.requestheaderClientCaFile;
  const verifier = await openVerifier(option, values.requestheaderClientCaFile, files);
  if (verifier === undefined) return undefined;
  const { requestHeaderAuthenticator } = await import('../authentication/front-proxy.js');
  return requestHeaderAuthenticator({
    verifier,
    usernameHeaders: values.requestheaderUsernameHeaders,
    uidHeaders: values.requestheaderUidHeaders.filter((name) => name.trim() !== ''),
    groupHeaders: values.requestheaderGroupHeaders,
    extraHeadersPrefixes: values.requestheaderExtraHeadersPrefix,
    ...presentOnly({ allowedNames: allowedNames.length === 0 ? undefined : allowedNames }),
    onSpoofed: events.onSpoofedHeaders,
  });
}

/** Clients with a certificate of their own. @throws UsageError naming the option. */
export async function openClientCertificates(
  given: GivenOptions,
  { files }: AuthenticationContext,
  serverKind: ServerKind,
): Promise<Authenticator | undefined> {
  const { clientCaFile } = certificates.read(given);
  const verifier = await openVerifier(certificates.options.clientCaFile, clientCaFile, files);
  if (verifier === undefined) return undefined;
  const { clientCertificateAuthenticator } =
    await import('../authentication/certificates/client-certificate.js');
  // For kcp's cache server, a certificate that it cannot verify is none; a shard refuses it.
  const unverified = serverKind === 'cache-server' ? 'ignore' : 'refuse';
  return clientCertificateAuthenticator({ verifier, unverified });
}

/** By the authorities that the file holds when a certificate is looked at. */
async function openVerifier(
  option: Option,
  file: string | undefined,
  files: FollowedOptionFiles,
): Promise<Pick<CertificateVerifier, 'verify'> | undefined> {
  if (file === undefined) return undefined;
  const { createCertificateVerifier } =
    await import('../authentication/certificates/certificate-verifier.js');
  const authorities = await files.openOne(option, file, (pem) => ({
    pem,
    verifier: blamingFile(file, () => createCertificateVerifier({ authorities: pem })),
  }));
  files.addCertificates(option, file, () => authorities.current.pem);
  return { verify: (peer) => authorities.current.verifier.verify(peer) };
}
