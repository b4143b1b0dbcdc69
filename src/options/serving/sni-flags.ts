import { isIP } from 'node:net';
import { isDomainPattern } from '../../server/certificate-names.js';
import type { NamedKeyPair } from '../../server/serving-certificates.js';
import { listOf, type Flag, type FlagValues } from '../flags.js';
import type { FollowedFlagFiles } from '../followed-flag-files.js';
import { UsageError } from '../usage-error.js';
import { followServingPair, type ServingPair } from './serving-pair.js';

export const tlsSniCertKey: Flag = {
  name: '--tls-sni-cert-key',
  value: 'pair',
  kind: 'text',
  isList: true,
  keepsCommas: true,
  replacePaths: (value, replace) => {
    const { files, patterns } = partsOf(value);
    return [files.map(replace).join(','), ...(patterns === undefined ? [] : [patterns])].join(':');
  },
  description:
    'a further pair for clients that ask for its names: cert.pem,key.pem or cert.pem,key.pem:*.example.com,192.0.2.1; without names, those in the certificate; may be repeated; reloaded on change',
};

export interface SniPair {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** In lower case. */
  readonly patterns?: readonly string[];
}

/** @throws UsageError naming the flag. */
export function sniPairsOf(values: FlagValues): readonly SniPair[] {
  return listOf(values, tlsSniCertKey).map(parseSniPair);
}

/** Keys of another type than the default pair's cannot be served beside it. @throws UsageError naming the flag. */
export async function openSniPairs(
  values: FlagValues,
  keyType: string,
  files: FollowedFlagFiles,
): Promise<readonly NamedKeyPair[]> {
  const opened: NamedKeyPair[] = [];
  for (const pair of sniPairsOf(values)) {
    const flags = { certificateFlag: tlsSniCertKey, keyFlag: tlsSniCertKey };
    const { first, followed } = await followServingPair({ ...pair, ...flags, keepsKeyType: true }, files);
    checkKeyType(pair, first, keyType);
    opened.push({
      get current() {
        return followed.current;
      },
      ...(pair.patterns === undefined ? {} : { patterns: pair.patterns }),
    });
  }
  return opened;
}

function checkKeyType({ keyFile }: SniPair, { keyType }: ServingPair, expected: string): void {
  if (keyType === expected) return;
  throw new UsageError(
    `${tlsSniCertKey.name}: needs a key of type ${expected}, as the pair of --tls-cert-file and --tls-private-key-file (self-signed without them) has: ${keyFile} has ${keyType}`,
  );
}

/** `certificate,key` or `certificate,key:pattern,…`, as kube-apiserver reads it. @throws UsageError */
export function parseSniPair(text: string): SniPair {
  const { files, patterns } = partsOf(text);
  const [certificateFile = '', keyFile = ''] = files;
  if (files.length !== 2 || certificateFile === '' || keyFile === '') {
    throw new UsageError(
      `${tlsSniCertKey.name}: ${quoted(text)} does not begin with a certificate's and a key's file: cert.pem,key.pem`,
    );
  }
  if (patterns === undefined) return { certificateFile, keyFile };
  const names = patterns.split(',').map((name) => name.trim().toLowerCase());
  const wrong = names.find((name) => isIP(name) === 0 && !isDomainPattern(name));
  if (wrong !== undefined) {
    throw new UsageError(`${tlsSniCertKey.name}: ${quoted(wrong)} is no domain name, *.domain or IP address`);
  }
  return { certificateFile, keyFile, patterns: names };
}

interface Parts {
  readonly files: readonly string[];
  readonly patterns: string | undefined;
}

/** A colon in a file's name would end it, as for kube-apiserver. */
function partsOf(text: string): Parts {
  const colon = text.indexOf(':');
  const pair = colon < 0 ? text : text.slice(0, colon);
  return {
    files: pair.split(',').map((file) => file.trim()),
    patterns: colon < 0 ? undefined : text.slice(colon + 1),
  };
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
