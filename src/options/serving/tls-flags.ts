import type { SecureVersion } from 'node:tls';
import { httpsOptions, tlsCipherSuites, tlsVersions, type TlsOptions } from '../../server/tls.js';
import type { CurrentKeyPair, KeyPair } from '../../server/serving-certificates.js';
import { parseChoice } from '../flag-values.js';
import { listOf, valueOf, type Flag, type FlagValues } from '../flags.js';
import type { FollowedFlagFiles } from '../followed-flag-files.js';
import { UsageError, usageError } from '../usage-error.js';
import { followServingPair } from './serving-pair.js';
import { openSniPairs, sniPairsOf, tlsSniCertKey } from './sni-flags.js';

const tlsCertFile: Flag = {
  name: '--tls-cert-file',
  value: 'file',
  description:
    'PEM certificate to serve with, intermediates behind it; without it, a self-signed one in memory; reloaded on change',
};
const tlsPrivateKeyFile: Flag = {
  name: '--tls-private-key-file',
  value: 'file',
  description: 'PEM private key of --tls-cert-file; reloaded on change',
};
const tlsMinVersion: Flag = {
  name: '--tls-min-version',
  value: 'version',
  choices: Object.keys(tlsVersions),
  default: 'VersionTLS12',
  description: `oldest TLS version served: ${Object.keys(tlsVersions).join(' or ')}`,
};
const tlsCipherSuitesFlag: Flag = {
  name: '--tls-cipher-suites',
  value: 'suites',
  isList: true,
  choices: Object.keys(tlsCipherSuites),
  description:
    'cipher suites of TLS 1.2 by their IANA names; without it, every one that Kubernetes calls secure',
};

export const tlsFlags: readonly Flag[] = [
  tlsCertFile,
  tlsPrivateKeyFile,
  tlsSniCertKey,
  tlsMinVersion,
  tlsCipherSuitesFlag,
];

export interface TlsConfiguration {
  readonly tls: TlsOptions;
  /** No certificate was named: clients cannot know this one. */
  readonly isSelfSigned: boolean;
}

/** What handshakes are held to; pairs follow their files. @throws UsageError naming the flag. */
export async function tlsOf(
  values: FlagValues,
  requestCertificates: boolean,
  files: FollowedFlagFiles,
): Promise<TlsConfiguration> {
  const minVersion = minVersionOf(values);
  const ciphers = ciphersOf(values);
  const { first, keyType, followed } = await defaultPairOf(values, files);
  const named = await openSniPairs(values, keyType, files);
  const tls: TlsOptions = {
    certificate: first.certificate,
    privateKey: first.privateKey,
    ...(followed === undefined ? {} : { followed }),
    ...(named.length === 0 ? {} : { named }),
    minVersion,
    requestCertificates,
    ...(ciphers === undefined ? {} : { ciphers }),
  };
  try {
    httpsOptions(tls);
  } catch (error) {
    throw usageError(tlsCertFile.name, error);
  }
  return { tls, isSelfSigned: followed === undefined };
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

interface DefaultPair {
  readonly first: KeyPair;
  readonly keyType: string;
  /** Undefined for one that stands in no file. */
  readonly followed: CurrentKeyPair | undefined;
}

async function defaultPairOf(values: FlagValues, files: FollowedFlagFiles): Promise<DefaultPair> {
  const certificateFile = valueOf(values, tlsCertFile);
  const keyFile = valueOf(values, tlsPrivateKeyFile);
  if (certificateFile === undefined && keyFile === undefined) {
    const first = await selfSignedPair();
    files.addCertificates(tlsCertFile, '', () => first.certificate);
    return { first, keyType: 'ec', followed: undefined };
  }
  if (certificateFile === undefined)
    throw new UsageError(`${tlsCertFile.name}: missing beside ${tlsPrivateKeyFile.name}`);
  if (keyFile === undefined)
    throw new UsageError(`${tlsPrivateKeyFile.name}: missing beside ${tlsCertFile.name}`);
  const { first, followed } = await followServingPair(
    {
      certificateFlag: tlsCertFile,
      certificateFile,
      keyFlag: tlsPrivateKeyFile,
      keyFile,
      keepsKeyType: sniPairsOf(values).length > 0,
    },
    files,
  );
  return { first, keyType: first.keyType, followed };
}

/** As Kubernetes' servers do where none is given; loaded here, since few need it. */
async function selfSignedPair(): Promise<KeyPair> {
  const { createSelfSignedCertificate } = await import('../../pki/throwaway-pki.js');
  const { certificatePem, privateKeyPem } = await createSelfSignedCertificate({
    commonName: 'localhost',
    usage: 'serverAuth',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    notAfter: new Date(Date.now() + 365 * 24 * 3_600_000),
  });
  return { certificate: certificatePem, privateKey: privateKeyPem };
}
