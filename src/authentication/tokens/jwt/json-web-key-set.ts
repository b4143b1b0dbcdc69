import { createPublicKey, hash, type JsonWebKey, type KeyObject } from 'node:crypto';
import { type VerificationKey } from './key-set.js';
import { KeySetError } from '../../authentication-errors.js';

/** The keys of a JSON Web Key Set that can verify signatures, ready to be looked up. */
export interface JsonWebKeys {
  readonly all: readonly VerificationKey[];
  readonly byKeyId: ReadonlyMap<string, readonly VerificationKey[]>;
  /** The same for the same keys, in whatever order they stand. */
  readonly digest: string;
}

/** Far above what any issuer publishes. */
const maxKeys = 100;
const rsaBits = { min: 2_048, max: 8_192 };
/** An exponent of 1 verifies anything; a huge one takes long. */
const rsaExponent = { min: 3n, max: 2n ** 32n };
const curves: ReadonlySet<string | undefined> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/**
 * Reads a JSON Web Key Set (RFC 7517, section 5). Passed over are keys of other uses than signatures, symmetric
 * ones, those that cannot be read or are too weak, and those whose private half is published along with them.
 *
 * @throws KeySetError where it is none, has more than 100 keys, or none that can be used.
 */
export function parseJsonWebKeySet(document: unknown): JsonWebKeys {
  const keys = membersOf(document)['keys'];
  if (!Array.isArray(keys)) throw new KeySetError('the answer is no JSON Web Key Set');
  if (keys.length > maxKeys) throw new KeySetError(`the key set has more than ${maxKeys} keys`);
  const all = keys.map(verificationKey).filter((key) => key !== undefined);
  if (all.length === 0) throw new KeySetError(`the key set has no key that can be used, of ${keys.length}`);
  const byKeyId = new Map<string, VerificationKey[]>();
  for (const key of all) {
    if (key.keyId !== undefined) byKeyId.set(key.keyId, [...(byKeyId.get(key.keyId) ?? []), key]);
  }
  return { all, byKeyId, digest: digestOf(all) };
}

function verificationKey(jwk: unknown): VerificationKey | undefined {
  const { kid, alg, use, key_ops: operations, d } = membersOf(jwk);
  if (!isOptionalString(kid) || !isOptionalString(alg) || d !== undefined) return undefined;
  if (use !== undefined && use !== 'sig') return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return undefined;
  const key = publicKey(jwk);
  return key === undefined || !isStrong(key) ? undefined : { keyId: kid, algorithm: alg, key };
}

function publicKey(jwk: unknown): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
  } catch {
    return undefined;
  }
}

function isStrong({ asymmetricKeyType: type, asymmetricKeyDetails = {} }: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n, namedCurve } = asymmetricKeyDetails;
  if (type === 'rsa') return isWithin(modulusLength, rsaBits) && isWithin(publicExponent, rsaExponent);
  return type === 'ed25519' || (type === 'ec' && curves.has(namedCurve));
}

function digestOf(keys: readonly VerificationKey[]): string {
  const texts = keys.map(({ keyId, algorithm, key }) =>
    JSON.stringify([
      keyId ?? null,
      algorithm ?? null,
      key.export({ type: 'spki', format: 'der' }).toString('base64'),
    ]),
  );
  return hash('sha256', texts.sort().join('\n'));
}

function isWithin<Value extends number | bigint>(
  value: Value,
  { min, max }: { readonly min: Value; readonly max: Value },
): boolean {
  return min <= value && value <= max;
}

function isOptionalString(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
