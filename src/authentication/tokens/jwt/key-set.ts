import type { KeyObject } from 'node:crypto';
import { KeySetError } from '../../authentication-errors.js';
import { anObject, checkArgument, listOf } from '../../../option-checks.js';

/** A public key that tokens may be signed with. */
export interface VerificationKey {
  readonly keyId?: string | undefined;
  /** Public, and asymmetric: RSA of at least 2,048 bits, EC P-256, P-384 or P-521, or Ed25519. */
  readonly key: KeyObject;
  /** The only algorithm (RFC 7518) it may be used with; undefined: any for the key's type. */
  readonly algorithm?: string | undefined;
}

/** Keys that tokens are verified with; they may change between tokens. */
export interface KeySet {
  /** A new object whenever the keys change: earlier results are then no longer valid. */
  readonly version: unknown;
  /** Keys that may have signed such a token: with its key ID, or all. Rejects with KeySetError while there are none. */
  find(header: KeyHeader): readonly VerificationKey[] | Promise<readonly VerificationKey[]>;
}

/** What the header of a token says of its key. */
export interface KeyHeader {
  readonly keyId: string | undefined;
}

/** Keys by ID; several may share one. */
export function keysById(keys: readonly VerificationKey[]): ReadonlyMap<string, readonly VerificationKey[]> {
  const byId = new Map<string, VerificationKey[]>();
  for (const key of keys) {
    if (key.keyId !== undefined) byId.set(key.keyId, [...(byId.get(key.keyId) ?? []), key]);
  }
  return byId;
}

/** Keys that never change, by ID. */
export function staticKeySet(keys: readonly VerificationKey[]): KeySet {
  checkArgument('keys', keys, listOf('keys of parsePublicKeys(pem, file)', anObject('a key', 'key')));
  const all = Object.freeze([...keys]);
  const byId = keysById(all);
  return Object.freeze({
    version: all,
    find({ keyId }: KeyHeader) {
      if (all.length === 0) return Promise.reject(new KeySetError('no key is given'));
      return keyId === undefined ? all : (byId.get(keyId) ?? []);
    },
  });
}
