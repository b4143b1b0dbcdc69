import { isIP } from 'node:net';
import { authoritiesFault, certificateFault, privateKeyFault } from '../../outgoing/tls-material.js';
import type { ClientCertificate } from '../../outgoing/tls-material.js';
import type { FileContent } from '../../files/followed-files.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import { ofOneFile, type FollowedFlagFiles } from '../followed-flag-files.js';
import { UsageError } from '../usage-error.js';
import type { UpstreamTls } from '../../outgoing/upstream-client.js';

const upstreamCaFile: Flag = {
  name: '--upstream-ca-file',
  value: 'file',
  description:
    'PEM bundle of the authorities of https upstreams; without it, those that Node.js trusts; reloaded on change',
};
const upstreamClientCertFile: Flag = {
  name: '--upstream-client-cert-file',
  value: 'file',
  description: 'PEM client certificate for https upstreams, intermediates behind it; reloaded on change',
};
const upstreamClientKeyFile: Flag = {
  name: '--upstream-client-key-file',
  value: 'file',
  description: 'PEM private key of --upstream-client-cert-file; reloaded on change',
};
const upstreamServerName: Flag = {
  name: '--upstream-server-name',
  value: 'name',
  description:
    "DNS name or IP address that the certificates of https upstreams must be for; without it, the URL's host",
};

/** How https upstreams are known, and how they know us. */
export const upstreamTlsFlags: readonly Flag[] = [
  upstreamCaFile,
  upstreamClientCertFile,
  upstreamClientKeyFile,
  upstreamServerName,
];

/** Its members follow the files: they are to be read at each request. @throws UsageError naming the flag. */
export async function upstreamTlsOf(values: FlagValues, files: FollowedFlagFiles): Promise<UpstreamTls> {
  const authorities = await authoritiesOf(values, files);
  const clientCertificate = await clientCertificateOf(values, files);
  return {
    get ca() {
      return authorities?.current;
    },
    get clientCertificate() {
      return clientCertificate?.current;
    },
    serverName: serverNameOf(values),
  };
}

async function authoritiesOf(
  values: FlagValues,
  files: FollowedFlagFiles,
): Promise<{ readonly current: string } | undefined> {
  const file = valueOf(values, upstreamCaFile);
  if (file === undefined) return undefined;
  return files.open(
    upstreamCaFile,
    [file],
    ofOneFile((text, name) => usable(text, name, authoritiesFault(text))),
  );
}

async function clientCertificateOf(
  values: FlagValues,
  files: FollowedFlagFiles,
): Promise<{ readonly current: ClientCertificate } | undefined> {
  const certificateFile = valueOf(values, upstreamClientCertFile);
  const keyFile = valueOf(values, upstreamClientKeyFile);
  if (certificateFile === undefined && keyFile === undefined) return undefined;
  if (certificateFile === undefined) {
    throw new UsageError(`${upstreamClientCertFile.name}: missing beside ${upstreamClientKeyFile.name}`);
  }
  if (keyFile === undefined) {
    throw new UsageError(`${upstreamClientKeyFile.name}: missing beside ${upstreamClientCertFile.name}`);
  }
  // Together: a certificate without its own key is of no use.
  const followed = await files.open(upstreamClientCertFile, [certificateFile, keyFile], clientCertificateIn);
  files.addCertificates(upstreamClientCertFile, certificateFile, () => followed.current.certificate);
  return followed;
}

function clientCertificateIn([certificate, key]: readonly FileContent[]): ClientCertificate {
  if (certificate === undefined || key === undefined) throw new RangeError('two files are needed');
  const pem = certificate.bytes.toString('utf8');
  const keyPem = key.bytes.toString('utf8');
  usable(pem, certificate.file, certificateFault(pem));
  return {
    certificate: pem,
    privateKey: usable(keyPem, `${upstreamClientKeyFile.name} ${key.file}`, privateKeyFault(pem, keyPem)),
  };
}

function usable(pem: string, name: string, fault: string | undefined): string {
  if (fault !== undefined) throw new Error(`${name} ${fault}`);
  return pem;
}

function serverNameOf(values: FlagValues): string | undefined {
  const name = valueOf(values, upstreamServerName);
  if (name === undefined || isIP(name) !== 0 || /^[A-Za-z0-9_.-]+$/.test(name)) return name;
  throw new UsageError(`${upstreamServerName.name}: ${JSON.stringify(name)} is no host name`);
}
