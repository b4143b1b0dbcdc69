import { isIP } from 'node:net';
import type { FileContent } from '../files/followed-files.js';
import {
  authoritiesFault,
  certificateFault,
  privateKeyFault,
  type ClientCertificate,
} from '../outgoing/tls-material.js';
import type { UpstreamTls } from '../outgoing/upstream-client.js';
import type { FollowedOptionFiles } from './followed-option-files.js';
import { flagName, together, topic, type GivenOptions } from './option.js';
import { file, parsed, text } from './option-kinds.js';

/** How https upstreams are known, and how they know this process. */
export const upstreamTls = topic(
  'What is served',
  {
    upstreamCaFile: file(
      { followed: true },
      'PEM bundle of the authorities of https upstreams; without it, those that Node.js trusts; reloaded on change',
    ),
    upstreamClientCertFile: file(
      { followed: true },
      'PEM client certificate for https upstreams, intermediates behind it; reloaded on change',
    ),
    upstreamClientKeyFile: file(
      { followed: true, secret: true },
      `PEM private key of ${flagName('upstreamClientCertFile')}; reloaded on change`,
    ),
    upstreamServerName: parsed(
      text(
        'name',
        undefined,
        "DNS name or IP address that the certificates of https upstreams must be for; without it, the URL's host",
      ),
      hostName,
    ),
  },
  [together('upstreamClientCertFile', 'upstreamClientKeyFile')],
);

function hostName(name: string): string {
  if (isIP(name) !== 0 || /^[A-Za-z0-9_.-]+$/.test(name)) return name;
  throw new RangeError(`${JSON.stringify(name)} is no host name`);
}

/** Its members follow the files: they are to be read at each request. @throws UsageError naming the option. */
export async function openUpstreamTls(given: GivenOptions, files: FollowedOptionFiles): Promise<UpstreamTls> {
  const { options } = upstreamTls;
  const values = upstreamTls.read(given);
  const { upstreamClientCertFile: certificateFile, upstreamClientKeyFile: keyFile } = values;
  const authorities =
    values.upstreamCaFile === undefined
      ? undefined
      : await files.openOne(options.upstreamCaFile, values.upstreamCaFile, (pem, name) =>
          usable(pem, name, authoritiesFault(pem)),
        );
  let clientCertificate: { readonly current: ClientCertificate } | undefined;
  if (certificateFile !== undefined && keyFile !== undefined) {
    const option = options.upstreamClientCertFile;
    // Together: a certificate without its own key is of no use.
    const followed = await files.open(option, [certificateFile, keyFile], clientCertificateIn);
    files.addCertificates(option, certificateFile, () => followed.current.certificate);
    clientCertificate = followed;
  }
  return {
    get ca() {
      return authorities?.current;
    },
    get clientCertificate() {
      return clientCertificate?.current;
    },
    serverName: values.upstreamServerName,
  };
}

function clientCertificateIn([certificate, key]: readonly FileContent[]): ClientCertificate {
  const pem = certificate?.bytes.toString('utf8') ?? '';
  const keyPem = key?.bytes.toString('utf8') ?? '';
  usable(pem, certificate?.file ?? '', certificateFault(pem));
  const keyName = `${upstreamTls.options.upstreamClientKeyFile.name} ${key?.file ?? ''}`;
  return { certificate: pem, privateKey: usable(keyPem, keyName, privateKeyFault(pem, keyPem)) };
}

function usable(pem: string, name: string, fault: string | undefined): string {
  if (fault !== undefined) throw new Error(`${name} ${fault}`);
  return pem;
}
