import { createHash, createPrivateKey, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { pemBlocks, type PemBlock } from '../../../files/pem.js';
import type { VerificationKey } from './key-set.js';
import { PublicKeyFileError } from '../../authentication-errors.js';

const maxKeys = 64;
const minRsaBits = 2048;
const curves: ReadonlySet<string | undefined> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** By label, how a block's DER is read. */
const readers: ReadonlyMap<string, (der: Buffer) => KeyObject> = new Map([
  ['PUBLIC KEY', (key: Buffer) => createPublicKey({ key, format: 'der', type: 'spki' })],
  ['RSA PUBLIC KEY', (key: Buffer) => createPublicKey({ key, format: 'der', type: 'pkcs1' })],
  ['PRIVATE KEY', (der: Buffer) => publicHalf(der, 'pkcs8')],
  ['RSA PRIVATE KEY', (der: Buffer) => publicHalf(der, 'pkcs1')],
  ['EC PRIVATE KEY', (der: Buffer) => publicHalf(der, 'sec1')],
  ['CERTIFICATE', (der: Buffer) => new X509Certificate(der).publicKey],
]);

/** What OpenSSL writes beside a key, and is none. */
const skippedLabels: ReadonlySet<string> = new Set(['EC PARAMETERS']);

/**
 * The keys of a PEM file, each once: public keys, the public halves of private keys, and those of certificates;
 * RSA of at least 2,048 bits, or EC P-256, P-384 or P-521. `file` is what messages call it. A key's ID is the one
 * that kube-apiserver writes into its tokens.
 *
 * @throws PublicKeyFileError for whatever else is in it, for more than 64 keys, and for none.
 */
export function parsePublicKeys(pem: string | Uint8Array, file: string): readonly VerificationKey[] {
  const text = typeof pem === 'string' ? pem : Buffer.from(pem).toString('latin1');
  const keys = new Map<string, VerificationKey>();
  let place = 0;
  for (const block of pemBlocks(text)) {
    place += 1;
    const reading = readBlock(block);
    if (typeof reading === 'string') throw new PublicKeyFileError(`${file}: PEM block ${place} ${reading}`);
    if (reading === undefined) continue;
    const keyId = keyIdOf(reading);
    keys.set(keyId, Object.freeze({ keyId, key: reading }));
    if (keys.size > maxKeys) throw new PublicKeyFileError(`${file}: more than ${maxKeys} keys`);
  }
  if (keys.size === 0) throw new PublicKeyFileError(`${file}: there is no key in PEM`);
  return Object.freeze([...keys.values()]);
}

/** A key, what is wrong, or undefined for what is no key. */
function readBlock(block: PemBlock): KeyObject | string | undefined {
  if (block.kind === 'broken') return 'has no beginning or no end';
  const { label, body } = block;
  if (skippedLabels.has(label)) return undefined;
  // Old private keys say it in a header (RFC 1421) rather than in the label.
  if (label === 'ENCRYPTED PRIVATE KEY' || body.includes('ENCRYPTED')) return 'is encrypted';
  const read = readers.get(label);
  if (read === undefined) return 'is neither a key nor a certificate';
  try {
    const key = read(Buffer.from(body, 'base64'));
    return faultOf(key) ?? key;
  } catch {
    return `is no ${label.toLowerCase()} that can be read`;
  }
}

function publicHalf(key: Buffer, type: 'pkcs1' | 'pkcs8' | 'sec1'): KeyObject {
  return createPublicKey(createPrivateKey({ key, format: 'der', type }));
}

function faultOf({
  asymmetricKeyType: type,
  asymmetricKeyDetails: details = {},
}: KeyObject): string | undefined {
  if (type === 'ec') {
    return curves.has(details.namedCurve) ? undefined : 'is of another curve than P-256, P-384 and P-521';
  }
  if (type !== 'rsa') return 'is neither an RSA nor an EC key';
  const { modulusLength = 0, publicExponent = 0n } = details;
  if (modulusLength < minRsaBits) return `has ${modulusLength} bits; RSA needs at least ${minRsaBits}`;
  // With an exponent of 1 every message is its own signature.
  return publicExponent < 3n ? 'is an RSA key whose exponent is too small' : undefined;
}

/** As kube-apiserver: SHA-256 of the SubjectPublicKeyInfo. */
function keyIdOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest('base64url');
}
