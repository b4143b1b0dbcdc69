import { X509Certificate, createPrivateKey } from 'node:crypto';
import { isIP } from 'node:net';
import type { SecureVersion } from 'node:tls';
import { allowPaths } from '../../http/allow-paths.js';
import { httpsOptions, tlsCipherSuites, tlsVersions, type TlsOptions } from '../../server/tls.js';
import { parseChoice, parsePort, readFlagFile } from '../flag-values.js';
import { listOf, valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError, usageError } from '../usage-error.js';

const bindAddress: Flag = {
  name: '--bind-address',
  value: 'address',
  default: '0.0.0.0',
  description: 'IP address to listen on',
};
const securePort: Flag = {
  name: '--secure-port',
  value: 'port',
  default: '6443',
  description: 'port to listen on; 0 takes a free one and logs it',
};
const tlsCertFile: Flag = {
  name: '--tls-cert-file',
  value: 'file',
  description:
    'PEM certificate to serve with, intermediates behind it; without it, a self-signed one in memory',
};
const tlsPrivateKeyFile: Flag = {
  name: '--tls-private-key-file',
  value: 'file',
  description: 'PEM private key of --tls-cert-file',
};
const tlsMinVersion: Flag = {
  name: '--tls-min-version',
  value: 'version',
  default: 'VersionTLS12',
  description: `oldest TLS version served: ${Object.keys(tlsVersions).join(' or ')}`,
};
const tlsCipherSuitesFlag: Flag = {
  name: '--tls-cipher-suites',
  value: 'suites',
  isList: true,
  description:
    'cipher suites of TLS 1.2 by their IANA names; without it, every one that Kubernetes calls secure',
};

const allowPathsFlag: Flag = {
  name: '--allow-paths',
  value: 'globs',
  isList: true,
  description:
    'globs of the paths that are served at all, such as /metrics; others are 404; health always is',
};

export const servingFlags: readonly Flag[] = [
  bindAddress,
  securePort,
  tlsCertFile,
  tlsPrivateKeyFile,
  tlsMinVersion,
  tlsCipherSuitesFlag,
  allowPathsFlag,
];

export interface ServingConfiguration {
  readonly bindAddress: string;
  readonly port: number;
  readonly tls: TlsOptions;
  readonly allowPaths?: readonly string[];
  /** No certificate was named: clients cannot know this one. */
  readonly isSelfSigned: boolean;
}

/** @throws UsageError naming the flag. */
export async function servingOf(
  values: FlagValues,
  requestCertificates: boolean,
): Promise<ServingConfiguration> {
  const address = valueOf(values, bindAddress) ?? '';
  if (isIP(address) === 0) {
    throw new UsageError(`${bindAddress.name}: ${JSON.stringify(address)} is not an IP address`);
  }
  const port = parsePort(securePort.name, valueOf(values, securePort) ?? '');
  const minVersion = minVersionOf(values);
  const ciphers = ciphersOf(values);
  const pair = servingPairOf(values) ?? (await selfSignedPair());
  const tls: TlsOptions = {
    ...pair,
    minVersion,
    requestCertificates,
    ...(ciphers === undefined ? {} : { ciphers }),
  };
  try {
    httpsOptions(tls);
  } catch (error) {
    throw usageError(tlsCertFile.name, error);
  }
  const globs = allowPathsOf(values);
  return {
    bindAddress: address,
    port,
    tls,
    isSelfSigned: pair.isSelfSigned,
    ...(globs === undefined ? {} : { allowPaths: globs }),
  };
}

function allowPathsOf(values: FlagValues): readonly string[] | undefined {
  const globs = listOf(values, allowPathsFlag);
  if (globs.length === 0) return undefined;
  try {
    allowPaths(globs);
    return globs;
  } catch (error) {
    throw usageError(allowPathsFlag.name, error);
  }
}

interface ServingPair {
  readonly certificate: string;
  readonly privateKey: string;
  readonly isSelfSigned: boolean;
}

function minVersionOf(values: FlagValues): SecureVersion {
  const names = Object.keys(tlsVersions);
  const name = parseChoice(tlsMinVersion.name, valueOf(values, tlsMinVersion) ?? '', names);
  return tlsVersions[name] ?? 'TLSv1.3';
}

function ciphersOf(values: FlagValues): readonly string[] | undefined {
  const names = listOf(values, tlsCipherSuitesFlag);
  if (names.length === 0) return undefined;
  return names.map((name) => {
    const cipher = Object.hasOwn(tlsCipherSuites, name) ? tlsCipherSuites[name] : undefined;
    if (cipher === undefined) {
      throw new UsageError(`${tlsCipherSuitesFlag.name}: ${JSON.stringify(name)} is unknown or not secure`);
    }
    return cipher;
  });
}

function servingPairOf(values: FlagValues): ServingPair | undefined {
  const certificateFile = valueOf(values, tlsCertFile);
  const keyFile = valueOf(values, tlsPrivateKeyFile);
  if (certificateFile === undefined && keyFile === undefined) return undefined;
  if (certificateFile === undefined)
    throw new UsageError(`${tlsCertFile.name}: missing beside ${tlsPrivateKeyFile.name}`);
  if (keyFile === undefined)
    throw new UsageError(`${tlsPrivateKeyFile.name}: missing beside ${tlsCertFile.name}`);
  const certificate = readFlagFile(tlsCertFile.name, certificateFile);
  const privateKey = readFlagFile(tlsPrivateKeyFile.name, keyFile);
  const parsed = attempt(`${tlsCertFile.name}: ${certificateFile}`, () => new X509Certificate(certificate));
  const key = attempt(`${tlsPrivateKeyFile.name}: ${keyFile}`, () => createPrivateKey(privateKey));
  if (!parsed.checkPrivateKey(key)) {
    throw new UsageError(`${tlsPrivateKeyFile.name}: ${keyFile} is not the key of ${certificateFile}`);
  }
  return { certificate, privateKey, isSelfSigned: false };
}

function attempt<Value>(what: string, make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    throw usageError(what, error);
  }
}

/** As Kubernetes' servers do where none is given; loaded here, since few need it. */
async function selfSignedPair(): Promise<ServingPair> {
  const { createSelfSignedCertificate } = await import('../../pki/throwaway-pki.js');
  const { certificatePem, privateKeyPem } = await createSelfSignedCertificate({
    commonName: 'localhost',
    usage: 'serverAuth',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    notAfter: new Date(Date.now() + 365 * 24 * 3_600_000),
  });
  return { certificate: certificatePem, privateKey: privateKeyPem, isSelfSigned: true };
}
