import { type KeySet, type VerificationKey } from './key-set.js';
import { KeySetError } from '../../authentication-errors.js';

/** Keys that never change, found by their IDs; several keys may have the same. */
export function staticKeySet(keys: readonly VerificationKey[]): KeySet {
  const all = Object.freeze([...keys]);
  const byId = new Map<string, readonly VerificationKey[]>();
  for (const key of all) {
    if (key.keyId !== undefined) byId.set(key.keyId, [...(byId.get(key.keyId) ?? []), key]);
  }
  return Object.freeze({
    version: all,
    find({ keyId }: Parameters<KeySet['find']>[0]) {
      if (all.length === 0) return Promise.reject(new KeySetError('no key is given'));
      return keyId === undefined ? all : (byId.get(keyId) ?? []);
    },
  });
}
