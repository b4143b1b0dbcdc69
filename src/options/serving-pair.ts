import { X509Certificate, createPrivateKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { FileContent } from '../files/followed-files.js';
import { FilesRead } from '../files/files-read.js';
import type { CurrentKeyPair } from '../server/serving-certificates.js';
import type { FollowedOptionFiles } from './followed-option-files.js';
import { blaming, fault, type Option } from './option.js';
import { UsageError } from './usage-error.js';

/** The files of a pair and the options that name them. */
export interface PairFiles {
  readonly certificateOption: Option;
  readonly certificateFile: string;
  readonly keyOption: Option;
  readonly keyFile: string;
  /** Whether a reloaded key must keep its type, since pairs are served together. Default false. */
  readonly keepsKeyType?: boolean;
}

type ServingPair = ReturnType<typeof readPair>;

/** One of the files may be replaced before the other. */
class MismatchError extends UsageError {}

/** Larger than any chain or key. */
const maxBytes = 1024 * 1024;

/**
 * A served pair that follows its files. A start accepts an expired certificate, but a reload does not replace another
 * pair by one; a certificate that is not valid yet is used once it is. A key that does not belong to the certificate is
 * waited for, since a rotation may write one after the other.
 */
export async function followServingPair(
  pair: PairFiles,
  files: FollowedOptionFiles,
  now: () => number = Date.now,
) {
  const { certificateOption, certificateFile, keyOption, keyFile, keepsKeyType = false } = pair;
  await checkReadable(certificateOption, certificateFile);
  await checkReadable(keyOption, keyFile);
  let firstKeyType: string | undefined;
  const parse = (contents: readonly FileContent[]): ServingPair => {
    const read = readPair(pair, contents);
    if (firstKeyType !== undefined && read.notAfter < now()) {
      const expired = new Date(read.notAfter).toISOString();
      throw fault(certificateOption, `${certificateFile} has expired on ${expired}`);
    }
    if (keepsKeyType && firstKeyType !== undefined && read.keyType !== firstKeyType) {
      const needed = `pairs served together all need type ${firstKeyType}`;
      throw fault(keyOption, `${keyFile} has a key of type ${read.keyType}; ${needed}`);
    }
    firstKeyType ??= read.keyType;
    return read;
  };
  const isUnsettled = (error: unknown): boolean => error instanceof MismatchError;
  const opened = await files.open(certificateOption, [certificateFile, keyFile], parse, isUnsettled);
  const first = opened.current;
  const followed = inTurn(opened, now);
  files.addCertificates(certificateOption, certificateFile, () => followed.current.certificate);
  return { first, followed };
}

/** Checked before both files are read together, so that the error names the option at fault. */
async function checkReadable(option: Option, file: string): Promise<void> {
  const reading = await new FilesRead().read(file, maxBytes);
  if (reading.kind === 'fault') throw fault(option, `${file} ${reading.fault}`);
}

function readPair(
  { certificateOption, certificateFile, keyOption, keyFile }: PairFiles,
  [certificateContent, keyContent]: readonly FileContent[],
) {
  const certificate = certificateContent?.bytes.toString('utf8') ?? '';
  const privateKey = keyContent?.bytes.toString('utf8') ?? '';
  const ofCertificate = { name: `${certificateOption.name}: ${certificateFile}` };
  const ofKey = { name: `${keyOption.name}: ${keyFile}` };
  const parsed = blaming(ofCertificate, () => new X509Certificate(certificate));
  const key = blaming(ofKey, () => createPrivateKey(privateKey));
  if (!parsed.checkPrivateKey(key))
    throw new MismatchError(`${ofKey.name} is not the key of ${certificateFile}`);
  blaming(ofCertificate, () => createSecureContext({ cert: certificate, key: privateKey }));
  return {
    certificate,
    privateKey,
    /** OpenSSL's name: `rsa`, `ec`, `ed25519`. */
    keyType: key.asymmetricKeyType ?? '',
    /** Of the leaf certificate, in ms since the epoch. */
    notBefore: Date.parse(parsed.validFrom),
    notAfter: Date.parse(parsed.validTo),
  };
}

/** Keeps a pair that clients accept until the next one is valid. */
function inTurn(opened: { readonly current: ServingPair }, now: () => number): CurrentKeyPair {
  let served = opened.current;
  return {
    get current() {
      const next = opened.current;
      const time = now();
      if (next !== served && (next.notBefore <= time || served.notAfter < time)) served = next;
      return served;
    },
  };
}
