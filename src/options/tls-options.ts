import { isIP } from 'node:net';
import { isDomainPattern } from '../server/serving-certificates.js';
import type { KeyPair, NamedKeyPair } from '../server/serving-certificates.js';
import { httpsOptions, tlsCipherSuites, tlsVersions, type TlsOptions } from '../server/tls.js';
import type { FollowedOptionFiles } from './followed-option-files.js';
import { blaming, fault, flagName, together, topic, type GivenOptions } from './option.js';
import { choice, choices, each, file, list, quoted } from './option-kinds.js';
import { followServingPair } from './serving-pair.js';

const versions = Object.keys(tlsVersions);
const certFile = flagName('tlsCertFile');

export const tls = topic(
  'Serving',
  {
    tlsCertFile: file({ followed: true }).help(
      'PEM serving certificate followed by its intermediates; unset: a self-signed one in memory; reloaded on change',
    ),
    tlsPrivateKeyFile: file({ followed: true, secret: true }).help(
      `PEM private key of ${certFile}; reloaded on change`,
    ),
    tlsSniCertKey: each(list('pair'), parseSniPair).help(
      'additional certificate and key for SNI: cert.pem,key.pem or cert.pem,key.pem:*.example.com,192.0.2.1; without names, those in the certificate; may be repeated; reloaded on change',
      { keepsCommas: true, file: { followed: true }, replacePaths: replaceSniPaths },
    ),
    tlsMinVersion: choice('version', versions, 'VersionTLS12').help(
      `oldest TLS version served: ${versions.join(' or ')}`,
    ),
    tlsCipherSuites: choices('suites', Object.keys(tlsCipherSuites)).help(
      'IANA names of the TLS 1.2 cipher suites; unset: all that Kubernetes considers secure',
    ),
  },
  [together('tlsCertFile', 'tlsPrivateKeyFile')],
);

export interface SniPair {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** In lower case. */
  readonly patterns?: readonly string[];
}

/** `certificate,key` or `certificate,key:pattern,…`, as kube-apiserver reads it. */
function parseSniPair(text: string): SniPair {
  const { files, patterns } = partsOf(text);
  const [certificateFile = '', keyFile = ''] = files;
  if (files.length !== 2 || certificateFile === '' || keyFile === '') {
    throw new RangeError(`${quoted(text)} must begin with the certificate and key files: cert.pem,key.pem`);
  }
  if (patterns === undefined) return { certificateFile, keyFile };
  const names = patterns.split(',').map((name) => name.trim().toLowerCase());
  const wrong = names.find((name) => isIP(name) === 0 && !isDomainPattern(name));
  if (wrong !== undefined)
    throw new RangeError(`${quoted(wrong)} is not a domain name, *.domain or IP address`);
  return { certificateFile, keyFile, patterns: names };
}

function replaceSniPaths(value: string, replace: (path: string) => string): string {
  const { files, patterns } = partsOf(value);
  return [files.map(replace).join(','), ...(patterns === undefined ? [] : [patterns])].join(':');
}

/** File names cannot contain a colon, as in kube-apiserver. */
function partsOf(text: string): { readonly files: readonly string[]; readonly patterns: string | undefined } {
  const colon = text.indexOf(':');
  const pair = colon < 0 ? text : text.slice(0, colon);
  return {
    files: pair.split(',').map((one) => one.trim()),
    patterns: colon < 0 ? undefined : text.slice(colon + 1),
  };
}

/** Opens the serving pairs, which follow their files, and the TLS settings. @throws UsageError naming the option. */
export async function openTls(given: GivenOptions, requestCertificates: boolean, files: FollowedOptionFiles) {
  const values = tls.read(given);
  const { tlsCertFile: certificateFile, tlsPrivateKeyFile: keyFile, tlsSniCertKey: sniPairs } = values;
  const { tlsCertFile: certificateOption, tlsPrivateKeyFile: keyOption } = tls.options;
  const keepsKeyType = sniPairs.length > 0;
  const pair =
    certificateFile === undefined || keyFile === undefined
      ? undefined
      : await followServingPair(
          { certificateOption, certificateFile, keyOption, keyFile, keepsKeyType },
          files,
        );
  const first = pair?.first ?? (await selfSignedPair());
  if (pair === undefined) files.addCertificates(certificateOption, '', () => first.certificate);
  const named = await openSniPairs(sniPairs, pair?.first.keyType ?? 'ec', files);
  const options: TlsOptions = {
    certificate: first.certificate,
    privateKey: first.privateKey,
    ...(pair && { followed: pair.followed }),
    ...(named.length > 0 && { named }),
    minVersion: tlsVersions[values.tlsMinVersion] ?? 'TLSv1.3',
    requestCertificates,
    ...(values.tlsCipherSuites.length > 0 && {
      ciphers: values.tlsCipherSuites.map((name) => tlsCipherSuites[name] ?? ''),
    }),
  };
  blaming(certificateOption, () => httpsOptions(options));
  // Clients cannot verify one that is made where none is configured.
  return { tls: options, isSelfSigned: pair === undefined };
}

/** Their keys must have the type of the default pair's key. */
async function openSniPairs(pairs: readonly SniPair[], keyType: string, files: FollowedOptionFiles) {
  const opened: NamedKeyPair[] = [];
  const option = tls.options.tlsSniCertKey;
  for (const { patterns, ...pair } of pairs) {
    const { first, followed } = await followServingPair(
      { ...pair, certificateOption: option, keyOption: option, keepsKeyType: true },
      files,
    );
    if (first.keyType !== keyType) {
      const ofDefault = `the pair of ${certFile} and ${tls.options.tlsPrivateKeyFile.name} (self-signed without them)`;
      const found = `${pair.keyFile} has ${first.keyType}`;
      throw fault(option, `needs a key of type ${keyType}, as ${ofDefault} has: ${found}`);
    }
    opened.push({
      get current() {
        return followed.current;
      },
      ...(patterns && { patterns }),
    });
  }
  return opened;
}

/** Kubernetes' servers do the same if no pair is given. */
async function selfSignedPair(): Promise<KeyPair> {
  const { createSelfSignedCertificate } = await import('../pki/throwaway-pki.js');
  const { certificatePem, privateKeyPem } = await createSelfSignedCertificate({
    commonName: 'localhost',
    usage: 'serverAuth',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  return { certificate: certificatePem, privateKey: privateKeyPem };
}
