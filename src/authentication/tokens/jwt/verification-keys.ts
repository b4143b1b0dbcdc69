import {
  createPrivateKey,
  createPublicKey,
  hash,
  X509Certificate,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { pemBlocks, type PemBlock } from '../../../files/pem.js';
import { KeySetError, PublicKeyFileError } from '../../authentication-errors.js';
import { keysById, type VerificationKey } from './key-set.js';
import { aText, checkArgument, must } from '../../../option-checks.js';

const aPem = must('PEM text', (value) => typeof value === 'string' || value instanceof Uint8Array);
/** The most keys of a file. */
const maxKeys = 64;
/** The most keys of a JSON Web Key Set: far more than any issuer publishes. */
const maxPublishedKeys = 100;
const minRsaBits = 2048;
/** With an exponent of 1 every message is its own signature. */
const minRsaExponent = 3n;
/** Limits of published keys: verification with larger ones is slow. */
const published = { maxRsaBits: 8192, maxRsaExponent: 2n ** 32n };
const curves: ReadonlySet<string | undefined> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** How a PEM block's DER is read, by label. */
const readers: ReadonlyMap<string, (der: Buffer) => KeyObject> = new Map([
  ['PUBLIC KEY', (key: Buffer) => createPublicKey({ key, format: 'der', type: 'spki' })],
  ['RSA PUBLIC KEY', (key: Buffer) => createPublicKey({ key, format: 'der', type: 'pkcs1' })],
  ['PRIVATE KEY', (der: Buffer) => publicHalf(der, 'pkcs8')],
  ['RSA PRIVATE KEY', (der: Buffer) => publicHalf(der, 'pkcs1')],
  ['EC PRIVATE KEY', (der: Buffer) => publicHalf(der, 'sec1')],
  ['CERTIFICATE', (der: Buffer) => new X509Certificate(der).publicKey],
]);

/**
 * The keys of a PEM file, each once: public keys, the public halves of private keys, and those of certificates;
 * RSA of at least 2,048 bits, or EC P-256, P-384 or P-521. `file` is its name in messages. A key's ID is the one
 * that kube-apiserver writes into its tokens.
 * @throws PublicKeyFileError for other blocks, for more than 64 keys, and for none.
 */
export function parsePublicKeys(pem: string | Uint8Array, file: string): readonly VerificationKey[] {
  checkArgument('pem', pem, aPem);
  checkArgument('file', file, aText);
  const text = typeof pem === 'string' ? pem : Buffer.from(pem).toString('latin1');
  const keys = new Map<string, VerificationKey>();
  for (const [index, block] of [...pemBlocks(text)].entries()) {
    const key = readBlock(block);
    if (typeof key === 'string') throw new PublicKeyFileError(`${file}: PEM block ${index + 1} ${key}`);
    if (key === undefined) continue;
    const keyId = keyIdOf(key);
    keys.set(keyId, Object.freeze({ keyId, key }));
    if (keys.size > maxKeys) throw new PublicKeyFileError(`${file}: more than ${maxKeys} keys`);
  }
  if (keys.size === 0) throw new PublicKeyFileError(`${file}: there is no key in PEM`);
  return Object.freeze([...keys.values()]);
}

/** A key, what is wrong with it, or undefined if it is not a key. */
function readBlock(block: PemBlock): KeyObject | string | undefined {
  if (block.kind === 'broken') return 'has no beginning or no end';
  const { label, body } = block;
  // OpenSSL writes it beside a key.
  if (label === 'EC PARAMETERS') return undefined;
  // Old private keys have this in a header (RFC 1421) instead of the label.
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

function faultOf({ asymmetricKeyType: type, asymmetricKeyDetails = {} }: KeyObject): string | undefined {
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails;
  if (type === 'ec')
    return curves.has(namedCurve) ? undefined : 'is of another curve than P-256, P-384 and P-521';
  if (type !== 'rsa') return 'is neither an RSA nor an EC key';
  if (modulusLength < minRsaBits) return `has ${modulusLength} bits; RSA needs at least ${minRsaBits}`;
  return publicExponent < minRsaExponent ? 'is an RSA key whose exponent is too small' : undefined;
}

/** As kube-apiserver: SHA-256 of the SubjectPublicKeyInfo. */
function keyIdOf(key: KeyObject): string {
  return hash('sha256', key.export({ format: 'der', type: 'spki' }), 'base64url');
}

/** The keys of a JSON Web Key Set that can verify signatures, ready to be looked up. */
export interface JsonWebKeys {
  /** Empty where none of those published can be used. */
  readonly all: readonly VerificationKey[];
  /** How many are published, with those that cannot be used. */
  readonly published: number;
  readonly byKeyId: ReadonlyMap<string, readonly VerificationKey[]>;
  /** The same for the same keys in any order. */
  readonly digest: string;
}

/**
 * Reads a JSON Web Key Set (RFC 7517, section 5). Ignored are keys for other uses than signatures, symmetric, unreadable
 * and weak ones, and those published with their private half.
 * @throws KeySetError if it is not a key set, or has more than 100 keys.
 */
export function parseJsonWebKeySet(document: unknown): JsonWebKeys {
  const keys = membersOf(document)['keys'];
  if (!Array.isArray(keys)) throw new KeySetError('the answer is no JSON Web Key Set');
  if (keys.length > maxPublishedKeys) {
    throw new KeySetError(`the key set has more than ${maxPublishedKeys} keys`);
  }
  const all = keys.map(verificationKey).filter((key) => key !== undefined);
  return { all, published: keys.length, byKeyId: keysById(all), digest: digestOf(all) };
}

function verificationKey(jwk: unknown): VerificationKey | undefined {
  const { kid, alg, use, key_ops: operations = ['verify'], d } = membersOf(jwk);
  if (kid !== undefined && typeof kid !== 'string') return undefined;
  if ((alg !== undefined && typeof alg !== 'string') || d !== undefined) return undefined;
  if (use !== undefined && use !== 'sig') return undefined;
  if (!Array.isArray(operations) || !operations.includes('verify')) return undefined;
  try {
    const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
    return isGoodToPublish(key) ? { keyId: kid, algorithm: alg, key } : undefined;
  } catch {
    return undefined;
  }
}

function isGoodToPublish(key: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  const isQuick = modulusLength <= published.maxRsaBits && publicExponent <= published.maxRsaExponent;
  return key.asymmetricKeyType === 'ed25519' || (faultOf(key) === undefined && isQuick);
}

function digestOf(keys: readonly VerificationKey[]): string {
  const texts = keys.map(({ keyId = null, algorithm = null, key }) =>
    JSON.stringify([keyId, algorithm, key.export({ type: 'spki', format: 'der' }).toString('base64')]),
  );
  return hash('sha256', texts.sort().join('\n'));
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
