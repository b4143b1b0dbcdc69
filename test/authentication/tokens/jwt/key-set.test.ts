import { expect, it } from 'vitest';
import { ecKey } from './signed-jwt.js';
import { KeySetError } from '../../../../src/authentication/authentication-errors.js';
import { staticKeySet } from '../../../../src/authentication/tokens/jwt/key-set.js';

const { key } = ecKey().verificationKey;
const [a, b, nameless] = [{ key, keyId: 'a' }, { key, keyId: 'b' }, { key }];
const sameId = { key: ecKey().verificationKey.key, keyId: 'a' };

it('finds the keys of an ID, and without one every key', () => {
  const keys = staticKeySet([a, b, nameless, sameId]);
  expect(keys.find({ keyId: 'a' })).toEqual([a, sameId]);
  expect(keys.find({ keyId: 'b' })).toEqual([b]);
  expect(keys.find({ keyId: undefined })).toEqual([a, b, nameless, sameId]);
  expect(keys.find({ keyId: 'c' })).toEqual([]);
  expect(keys.find({ keyId: '__proto__' })).toEqual([]);
});

it('has one version, which no other set has', () => {
  const keys = staticKeySet([a]);
  expect(keys.version).toBe(keys.version);
  expect(keys.version).not.toBe(staticKeySet([a]).version);
});

it('is not changed by what it was made of', () => {
  const made = [a];
  const keys = staticKeySet(made);
  made.push(b);
  expect(keys.find({ keyId: 'b' })).toEqual([]);
});

it('without a key finds nothing, and says so', async () => {
  await expect(Promise.resolve(staticKeySet([]).find({ keyId: 'a' }))).rejects.toThrow(KeySetError);
});
