import fc from 'fast-check';
import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { KeySetError } from '../../../../src/authentication/authentication-errors.js';
import { parseJsonWebKeySet } from '../../../../src/authentication/tokens/jwt/verification-keys.js';

const rsaOf = (modulusLength: number): JsonWebKey =>
  generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' });
const ecOf = (namedCurve: string): JsonWebKey =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' });

const rsa = rsaOf(2_048);
const ec = ecOf('P-256');

describe('a JSON Web Key Set', () => {
  it('gives its keys by their IDs', () => {
    const keys = parseJsonWebKeySet({
      keys: [
        { ...rsa, kid: 'a', use: 'sig', alg: 'RS256' },
        { ...ec, kid: 'a', key_ops: ['verify'] },
        { ...ecOf('P-384'), kid: '__proto__' },
        ecOf('P-521'),
        { ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }), kid: '' },
      ],
    });
    expect(keys.all.map(({ key }) => key.type)).toEqual(Array(5).fill('public'));
    expect(
      [...keys.byKeyId].map(([keyId, found]) => [keyId, found.map(({ algorithm }) => algorithm)]),
    ).toEqual([
      ['a', ['RS256', undefined]],
      ['__proto__', [undefined]],
      ['', [undefined]],
    ]);
  });

  it.each<[string, unknown]>([
    ['for encryption', { ...rsa, use: 'enc' }],
    ['for encryption by its operations', { ...rsa, key_ops: ['encrypt'] }],
    ['with operations of no kind', { ...rsa, key_ops: 'verify' }],
    ['that both sides know', { kty: 'oct', k: 'c2VjcmV0', alg: 'HS256' }],
    ['of 1,024 bits', rsaOf(1_024)],
    ['with an exponent of 1', { ...rsa, e: 'AQ' }],
    ['with a huge exponent', { ...rsa, e: rsa.n }],
    ['on a curve that nobody asked for', ecOf('secp256k1')],
    ['that is not on its curve', { ...ec, x: ec.y }],
    ['for key agreement', generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })],
    [
      'whose private half everybody has',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
    ],
    ['with an ID that is no text', { ...rsa, kid: 1 }],
    ['with an algorithm that is no text', { ...rsa, alg: ['RS256'] }],
    ['of no type', { ...rsa, kty: undefined }],
    ['that is null', null],
    ['that is text', 'key'],
  ])('is read without a key %s', (_, jwk) => {
    expect(parseJsonWebKeySet({ keys: [jwk, { ...ec, kid: 'ec' }] }).all).toMatchObject([{ keyId: 'ec' }]);
    expect(() => parseJsonWebKeySet({ keys: [jwk] })).toThrow(
      'the key set has no key that can be used, of 1',
    );
  });

  it.each<[string, unknown, string]>([
    ['null', null, 'the answer is no JSON Web Key Set'],
    ['a list', [rsa], 'the answer is no JSON Web Key Set'],
    ['an object of another kind', { keys: { a: rsa } }, 'the answer is no JSON Web Key Set'],
    ['empty', { keys: [] }, 'the key set has no key that can be used, of 0'],
    ['too large', { keys: Array(101).fill(ec) }, 'the key set has more than 100 keys'],
  ])('is not %s', (_, document, message) => {
    expect(() => parseJsonWebKeySet(document)).toThrow(new KeySetError(message));
  });

  it('has one digest for the same keys in any order, and another for others', () => {
    const digest = (...keys: JsonWebKey[]): string => parseJsonWebKeySet({ keys }).digest;
    expect(digest(rsa, ec)).toBe(digest(ec, rsa));
    expect(digest({ ...rsa, x5t: 'more' }, ec)).toBe(digest(ec, rsa));
    const others = [
      digest(rsa),
      digest({ ...rsa, kid: 'a' }, ec),
      digest({ ...rsa, alg: 'RS256' }, ec),
      digest({ ...rsa, kid: 'RS256' }, ec),
      digest(rsa, ec),
    ];
    expect(new Set(others).size).toBe(others.length);
  });

  it('is anything at all: keys, or a KeySetError', () => {
    const member = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('RSA', 'EC', 'oct', 'OKP', 'P-256', rsa.n, rsa.e, ec.x),
    );
    const jwk = fc.dictionary(
      fc.constantFrom('kty', 'n', 'e', 'crv', 'x', 'y', 'd', 'k', 'kid', 'use', 'alg', 'key_ops', 'oth'),
      member,
    );
    const document = fc.oneof(fc.jsonValue(), fc.record({ keys: fc.array(fc.oneof(jwk, fc.jsonValue())) }));
    fc.assert(
      fc.property(document, (value) => {
        try {
          return parseJsonWebKeySet(value).all.every(({ key }) => key.type === 'public');
        } catch (error) {
          return error instanceof KeySetError;
        }
      }),
    );
  });
});
