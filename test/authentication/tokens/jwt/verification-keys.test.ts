import fc from 'fast-check';
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  type JsonWebKey,
} from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  parsePublicKeys,
  parseJsonWebKeySet,
} from '../../../../src/authentication/tokens/jwt/verification-keys.js';
import { createAuthority } from '../../../../src/pki/throwaway-pki.js';
import { PublicKeyFileError, KeySetError } from '../../../../src/authentication/authentication-errors.js';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });

type Type = 'spki' | 'pkcs1' | 'pkcs8' | 'sec1';
const pem = (key: KeyObject, type: Type) =>
  // Node's types know for each kind of key the encodings of its own.
  (key.export as (options: object) => string).call(key, { format: 'pem', type });
const derOf = (key: KeyObject) => key.export({ format: 'der', type: 'spki' });
const parse = (text: string) => parsePublicKeys(text, 'sa.pub').map(({ key }) => derOf(key));

const rsaPem = pem(rsa.publicKey, 'spki');
const ecPem = pem(ec.publicKey, 'spki');

describe('a file of public keys', () => {
  it.each([
    ['an RSA public key', rsaPem, rsa],
    ['an RSA public key of PKCS #1', pem(rsa.publicKey, 'pkcs1'), rsa],
    ['an RSA private key of PKCS #1', pem(rsa.privateKey, 'pkcs1'), rsa],
    ['an RSA private key of PKCS #8', pem(rsa.privateKey, 'pkcs8'), rsa],
    ['an EC public key', ecPem, ec],
    ['an EC private key of SEC 1', pem(ec.privateKey, 'sec1'), ec],
    ['an EC private key of PKCS #8', pem(ec.privateKey, 'pkcs8'), ec],
  ])('holds %s', (_name, text, { publicKey }) => {
    const keys = parsePublicKeys(text, 'sa.pub');
    expect(keys.map(({ key }) => [key.type, derOf(key)])).toEqual([['public', derOf(publicKey)]]);
  });

  it('holds certificates', async () => {
    const { certificatePem } = await createAuthority({ commonName: 'ca' });
    expect(parse(certificatePem)).toEqual([derOf(createPublicKey(certificatePem))]);
  });

  it.each(['P-256', 'P-384', 'P-521'])('holds EC keys on %s', (namedCurve) => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve });
    expect(parse(pem(publicKey, 'spki'))).toEqual([derOf(publicKey)]);
  });

  it('holds several, each once, beside what is none', () => {
    const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
    const text = `keys of 2026 - 2027\n${parameters}${pem(ec.privateKey, 'sec1')}\nsubject=/CN=a\n${rsaPem}${ecPem}`;
    expect(parse(text)).toEqual([derOf(ec.publicKey), derOf(rsa.publicKey)]);
  });

  it('may have line ends of either kind, and be bytes', () => {
    expect(parse(rsaPem.replaceAll('\n', '\r\n'))).toEqual([derOf(rsa.publicKey)]);
    expect(parsePublicKeys(Buffer.from(rsaPem), 'f')).toHaveLength(1);
  });

  it("gives keys the ID that kube-apiserver gives them: their DER's SHA-256", () => {
    const [key] = parsePublicKeys(pem(rsa.privateKey, 'pkcs1'), 'f');
    expect(key?.keyId).toBe(createHash('sha256').update(derOf(rsa.publicKey)).digest('base64url'));
    expect(key?.keyId).toMatch(/^[\w-]{43}$/);
  });
});

describe('a file that cannot be used', () => {
  const expectRefused = (text: string, message: string) => {
    const read = () => parsePublicKeys(text, 'sa.pub');
    expect(read).toThrow(PublicKeyFileError);
    expect(read).toThrow(new PublicKeyFileError(`sa.pub: ${message}`));
  };

  const locked = (type: 'pkcs1' | 'pkcs8') =>
    rsa.privateKey.export({ format: 'pem', type, cipher: 'aes-128-cbc', passphrase: 'p' }).toString();
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const unsafe = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const edwards = generateKeyPairSync('ed25519');
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  const block = (label: string, body: string) =>
    `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
  const noKey = 'there is no key in PEM';
  const noEnd = 'PEM block 1 has no beginning or no end';
  const otherCurve = 'PEM block 1 is of another curve than P-256, P-384 and P-521';
  it.each([
    ['nothing', '', noKey],
    ['text', 'hello', noKey],
    ['EC parameters alone', block('EC PARAMETERS', 'BggqhkjOPQMBBw=='), noKey],
    ['a key in DER', derOf(rsa.publicKey).toString('latin1'), noKey],
    ['no end', rsaPem.replace(/-----END[^]*/, ''), noEnd],
    ['no end before the next', rsaPem.replace(/-----END[^]*/, '') + ecPem, noEnd],
    ['no beginning', rsaPem.replace(/-----BEGIN.*/, ''), noEnd],
    ['another end', rsaPem.replace('END PUBLIC', 'END RSA PUBLIC'), noEnd],
    ['a second block without an end', rsaPem + ecPem.slice(0, 60), 'PEM block 2 has no beginning or no end'],
    ['an encrypted key', locked('pkcs8'), 'PEM block 1 is encrypted'],
    ['a key encrypted the old way', locked('pkcs1'), 'PEM block 1 is encrypted'],
    [
      'a small key',
      rsaPem + pem(small.publicKey, 'spki'),
      'PEM block 2 has 1024 bits; RSA needs at least 2048',
    ],
    [
      'a small private key',
      pem(small.privateKey, 'pkcs8'),
      'PEM block 1 has 1024 bits; RSA needs at least 2048',
    ],
    ['another curve', pem(unsafe.publicKey, 'spki'), otherCurve],
    ['an Ed25519 key', pem(edwards.publicKey, 'spki'), 'PEM block 1 is neither an RSA nor an EC key'],
    ['an RSA key for PSS alone', pem(pss.publicKey, 'spki'), 'PEM block 1 is neither an RSA nor an EC key'],
    ['a request', block('CERTIFICATE REQUEST', 'AAAA'), 'PEM block 1 is neither a key nor a certificate'],
    ['an empty label', block('', 'AAAA'), 'PEM block 1 is neither a key nor a certificate'],
    ['no key in a block', block('PUBLIC KEY', 'c2VjcmV0'), 'PEM block 1 is no public key that can be read'],
    ['an empty block', block('RSA PRIVATE KEY', ''), 'PEM block 1 is no rsa private key that can be read'],
    ['a broken certificate', block('CERTIFICATE', 'AAAA'), 'PEM block 1 is no certificate that can be read'],
  ])('holds %s', (_name, text, message) => {
    expectRefused(text, message);
  });

  it('holds a key with which every message is its own signature', () => {
    const { n } = rsa.publicKey.export({ format: 'jwk' });
    const key = createPublicKey({ format: 'jwk', key: { kty: 'RSA', n: n ?? '', e: 'AQ' } });
    expectRefused(pem(key, 'spki'), 'PEM block 1 is an RSA key whose exponent is too small');
  });

  it('holds more than 64 keys', () => {
    const many = Array.from({ length: 65 }, () =>
      pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey, 'spki'),
    );
    expect(parse(many.slice(1).join(''))).toHaveLength(64);
    expectRefused(many.join(''), 'more than 64 keys');
  });

  it('fails in no other way, and no message quotes it', () => {
    const pieces = [
      rsaPem,
      pem(ec.privateKey, 'sec1'),
      '-----BEGIN ',
      '-----END ',
      '-----',
      'secret',
      '\n',
      'KEY',
    ];
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string())), (texts) => {
        try {
          parsePublicKeys(texts.join(''), 'f');
        } catch (error) {
          expect(error).toBeInstanceOf(PublicKeyFileError);
          expect((error as Error).message).toMatch(/^f: (?:PEM block \d+ |there is no key|more than)/);
          expect((error as Error).message).not.toContain('secret');
        }
      }),
    );
  });
});

const rsaOf = (modulusLength: number): JsonWebKey =>
  generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' });
const ecOf = (namedCurve: string): JsonWebKey =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' });

const rsaJwk = rsaOf(2_048);
const ecJwk = ecOf('P-256');

describe('a JSON Web Key Set', () => {
  it('gives its keys by their IDs', () => {
    const keys = parseJsonWebKeySet({
      keys: [
        { ...rsaJwk, kid: 'a', use: 'sig', alg: 'RS256' },
        { ...ecJwk, kid: 'a', key_ops: ['verify'] },
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
    ['for encryption', { ...rsaJwk, use: 'enc' }],
    ['for encryption by its operations', { ...rsaJwk, key_ops: ['encrypt'] }],
    ['with operations of no kind', { ...rsaJwk, key_ops: 'verify' }],
    ['that both sides know', { kty: 'oct', k: 'c2VjcmV0', alg: 'HS256' }],
    ['of 1,024 bits', rsaOf(1_024)],
    ['with an exponent of 1', { ...rsaJwk, e: 'AQ' }],
    ['with a huge exponent', { ...rsaJwk, e: rsaJwk.n }],
    ['on a curve that nobody asked for', ecOf('secp256k1')],
    ['that is not on its curve', { ...ecJwk, x: ecJwk.y }],
    ['for key agreement', generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })],
    [
      'whose private half everybody has',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
    ],
    ['with an ID that is no text', { ...rsaJwk, kid: 1 }],
    ['with an algorithm that is no text', { ...rsaJwk, alg: ['RS256'] }],
    ['of no type', { ...rsaJwk, kty: undefined }],
    ['that is null', null],
    ['that is text', 'key'],
  ])('is read without a key %s', (_, jwk) => {
    expect(parseJsonWebKeySet({ keys: [jwk, { ...ecJwk, kid: 'ec' }] }).all).toMatchObject([{ keyId: 'ec' }]);
    expect(parseJsonWebKeySet({ keys: [jwk] })).toMatchObject({ all: [], published: 1 });
  });

  it.each<[string, unknown, string]>([
    ['null', null, 'the answer is no JSON Web Key Set'],
    ['a list', [rsaJwk], 'the answer is no JSON Web Key Set'],
    ['an object of another kind', { keys: { a: rsaJwk } }, 'the answer is no JSON Web Key Set'],
    ['too large', { keys: Array(101).fill(ecJwk) }, 'the key set has more than 100 keys'],
  ])('is not %s', (_, document, message) => {
    expect(() => parseJsonWebKeySet(document)).toThrow(new KeySetError(message));
  });

  it('may be empty', () => {
    expect(parseJsonWebKeySet({ keys: [] })).toMatchObject({ all: [], published: 0 });
  });

  it('has one digest for the same keys in any order, and another for others', () => {
    const digest = (...keys: JsonWebKey[]): string => parseJsonWebKeySet({ keys }).digest;
    expect(digest(rsaJwk, ecJwk)).toBe(digest(ecJwk, rsaJwk));
    expect(digest({ ...rsaJwk, x5t: 'more' }, ecJwk)).toBe(digest(ecJwk, rsaJwk));
    const others = [
      digest(rsaJwk),
      digest({ ...rsaJwk, kid: 'a' }, ecJwk),
      digest({ ...rsaJwk, alg: 'RS256' }, ecJwk),
      digest({ ...rsaJwk, kid: 'RS256' }, ecJwk),
      digest(rsaJwk, ecJwk),
    ];
    expect(new Set(others).size).toBe(others.length);
  });

  it('is anything at all: keys, or a KeySetError', () => {
    const member = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('RSA', 'EC', 'oct', 'OKP', 'P-256', rsaJwk.n, rsaJwk.e, ecJwk.x),
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
