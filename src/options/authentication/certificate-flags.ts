import {
  createCertificateVerifier,
  type CertificateVerifier,
} from '../../authentication/certificates/certificate-verifier.js';
import type { Authenticator } from '../../authentication/authenticator.js';
import { clientCertificateAuthenticator } from '../../authentication/certificates/client-certificate.js';
import { requestHeaderAuthenticator } from '../../authentication/front-proxy.js';
import type { ServerKind } from '../../paths/classify.js';
import { listOf, valueOf, type Flag, type FlagValues } from '../flags.js';
import { blamingFile, ofOneFile, type FollowedFlagFiles } from '../followed-flag-files.js';
import { namesOf } from '../flag-values.js';
import type { AuthenticationContext } from './authentication-context.js';

const clientCaFile: Flag = {
  name: '--client-ca-file',
  value: 'file',
  description:
    'PEM bundle of the authorities whose client certificates are accepted: CN is the user, O are groups',
};
const requestHeaderCaFile: Flag = {
  name: '--requestheader-client-ca-file',
  value: 'file',
  description: 'PEM bundle of the authorities of front proxies, whose X-Remote-* headers are believed',
};
const requestHeaderAllowedNames: Flag = {
  name: '--requestheader-allowed-names',
  value: 'names',
  isList: true,
  description:
    'CNs of the front proxies that are believed; without it, every certificate of their authority is',
};
const usernameHeaders: Flag = {
  name: '--requestheader-username-headers',
  value: 'headers',
  isList: true,
  default: 'X-Remote-User',
  description: "headers that may bring the user's name; the first that does counts",
};
const uidHeaders: Flag = {
  name: '--requestheader-uid-headers',
  value: 'headers',
  isList: true,
  default: '',
  description: "headers that may bring the user's uid",
};
const groupHeaders: Flag = {
  name: '--requestheader-group-headers',
  value: 'headers',
  isList: true,
  default: 'X-Remote-Group',
  description: "headers that bring the user's groups, one in each line",
};
const extraHeadersPrefix: Flag = {
  name: '--requestheader-extra-headers-prefix',
  value: 'prefixes',
  isList: true,
  default: 'X-Remote-Extra-',
  description: 'prefixes of the headers that bring extra fields, such as scopes and warrants',
};

export const certificateFlags: readonly Flag[] = [
  clientCaFile,
  requestHeaderCaFile,
  requestHeaderAllowedNames,
  usernameHeaders,
  uidHeaders,
  groupHeaders,
  extraHeadersPrefix,
];

/** Whom a front proxy speaks for. @throws UsageError naming the flag. */
export async function requestHeaderOf(
  values: FlagValues,
  { files, events }: AuthenticationContext,
): Promise<Authenticator | undefined> {
  const allowedNames = namesOf(values, requestHeaderAllowedNames);
  const names = {
    usernameHeaders: namesOf(values, usernameHeaders),
    // The only one of which there may be none, as is its default: a uid decides nothing.
    uidHeaders: listOf(values, uidHeaders).filter((name) => name.trim() !== ''),
    groupHeaders: namesOf(values, groupHeaders),
    extraHeadersPrefixes: namesOf(values, extraHeadersPrefix),
  };
  const verifier = await verifierOf(values, requestHeaderCaFile, files);
  if (verifier === undefined) return undefined;
  return requestHeaderAuthenticator({
    verifier,
    ...names,
    ...(allowedNames.length === 0 ? {} : { allowedNames }),
    onSpoofed: events.onSpoofedHeaders,
  });
}

/** Who proves himself with a certificate of his own. @throws UsageError naming the flag. */
export async function clientCertificateOf(
  values: FlagValues,
  { files }: AuthenticationContext,
  serverKind: ServerKind,
): Promise<Authenticator | undefined> {
  const verifier = await verifierOf(values, clientCaFile, files);
  // kcp's cache server takes whoever it cannot verify as anonymous; a shard refuses him.
  const unverified = serverKind === 'cache-server' ? 'ignore' : 'refuse';
  return verifier === undefined ? undefined : clientCertificateAuthenticator({ verifier, unverified });
}

/** By the authorities that the file holds when a certificate is looked at. */
async function verifierOf(
  values: FlagValues,
  flag: Flag,
  files: FollowedFlagFiles,
): Promise<Pick<CertificateVerifier, 'verify'> | undefined> {
  const file = valueOf(values, flag);
  if (file === undefined) return undefined;
  const authorities = await files.open(
    flag,
    [file],
    ofOneFile((pem, name) => ({
      pem,
      verifier: blamingFile(name, () => createCertificateVerifier({ authorities: pem })),
    })),
  );
  files.addCertificates(flag, file, () => authorities.current.pem);
  return { verify: (peer) => authorities.current.verifier.verify(peer) };
}
