import fc from 'fast-check';
import { createHmac, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type KeySet, staticKeySet } from '../../../../src/authentication/tokens/jwt/key-set.js';
import { verifyJwt, type JwtOptions } from '../../../../src/authentication/tokens/jwt/verify-jwt.js';
import { refusedFor } from '../told.js';
import { ecKey, encoded, resigned, rsaKey, signedJwt, type Json } from './signed-jwt.js';
import { KeySetError } from '../../../../src/authentication/authentication-errors.js';
import { words } from '../../../support/words.js';

const rsa = rsaKey();
const ec = ecKey();
const ec384 = ecKey('P-384');
const ec521 = ecKey('P-521');
const foreign = rsaKey();
const keys = staticKeySet([rsa, ec, ec384, ec521].map(({ verificationKey }) => verificationKey));

const issuer = 'https://kcp.default.svc';
const nowSeconds = 1_800_000_000;
const claims = { iss: issuer, sub: 'alice', exp: nowSeconds + 600, nbf: nowSeconds - 5 };
const header = { alg: 'RS256', kid: rsa.keyId };
const good = signedJwt(header, claims, rsa.privateKey);

const algorithms = new Set(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512']);
const options: JwtOptions = {
  keys,
  issuers: new Set([issuer]),
  algorithms,
  leewaySeconds: 60,
  now: () => nowSeconds * 1000,
};

const verify = (token: string, other: Partial<JwtOptions> = {}) =>
  verifyJwt(token, { ...options, ...other }).then(
    (verified) => ({ kind: 'verified', claims: verified }) as const,
    refusedFor,
  );

async function expectRefused(token: string, reason: string, other: Partial<JwtOptions> = {}): Promise<void> {
  expect(await verify(token, other)).toEqual({ kind: 'refused', reason });
}

const withHeader = (extra: Record<string, unknown>, { alg = 'RS256' } = {}) =>
  signedJwt({ ...header, ...extra }, claims, rsa.privateKey, alg);
const withClaims = (extra: Record<string, unknown>) =>
  signedJwt(header, { ...claims, ...extra }, rsa.privateKey);
const withPayload = (payload: Json) => signedJwt(header, payload, rsa.privateKey);

describe('a signature', () => {
  it.each([
    ['RS256', rsa],
    ['RS384', rsa],
    ['RS512', rsa],
    ['PS256', rsa],
    ['PS384', rsa],
    ['PS512', rsa],
    ['ES256', ec],
    ['ES384', ec384],
    ['ES512', ec521],
  ])('of %s is verified', async (alg, { privateKey, keyId }) => {
    const token = signedJwt({ alg, kid: keyId }, claims, privateKey, alg);
    expect(await verify(token)).toEqual({ kind: 'verified', claims });
  });

  it('of Ed25519 is verified where the caller wants it', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const signed = `${encoded({ alg: 'EdDSA' })}.${encoded(claims)}`;
    const token = `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`;
    const edwards = { keys: staticKeySet([{ key: publicKey }]), algorithms: new Set(['EdDSA']) };
    expect(await verify(token, edwards)).toMatchObject({ kind: 'verified' });
    await expectRefused(token, 'the algorithm is not accepted');
  });

  it('is looked for under every key where the token names none', async () => {
    const token = signedJwt({ alg: 'ES256' }, claims, ec.privateKey, 'ES256');
    expect(await verify(token)).toMatchObject({ kind: 'verified' });
    await expectRefused(
      signedJwt({ alg: 'RS256' }, claims, foreign.privateKey),
      'the signature is not valid',
    );
  });

  it('is not looked for under more keys than 64', async () => {
    const { key } = rsa.verificationKey;
    const many = (count: number) => staticKeySet(Array.from({ length: count }, () => ({ key })));
    const token = signedJwt({ alg: 'RS256' }, claims, rsa.privateKey);
    expect(await verify(token, { keys: many(64) })).toMatchObject({ kind: 'verified' });
    await expectRefused(token, 'more than 64 keys, and no key ID', { keys: many(65) });
  });

  const signature = Buffer.from(good.slice(good.lastIndexOf('.') + 1), 'base64url');
  const ecToken = signedJwt({ alg: 'ES256', kid: ec.keyId }, claims, ec.privateKey, 'ES256');
  const signedPart = Buffer.from(ecToken.slice(0, ecToken.lastIndexOf('.')));
  it.each([
    ['by a foreign key', signedJwt(header, claims, foreign.privateKey)],
    ['stripped', resigned(good, '')],
    ['truncated', resigned(good, signature.subarray(0, -1))],
    ['longer by a byte', resigned(good, Buffer.concat([signature, Buffer.of(0)]))],
    ['longer by a byte in front', resigned(good, Buffer.concat([Buffer.of(0), signature]))],
    ['of zeros', resigned(good, Buffer.alloc(256))],
    ['of ones', resigned(good, Buffer.alloc(256, 0xff))],
    ['with PSS, said to be PKCS #1', signedJwt(header, claims, rsa.privateKey, 'PS256')],
    ['with PKCS #1, said to be PSS', signedJwt({ ...header, alg: 'PS256' }, claims, rsa.privateKey)],
    ['with another hash', signedJwt(header, claims, rsa.privateKey, 'RS512')],
    ['of EC in DER', resigned(ecToken, sign('sha256', signedPart, ec.privateKey))],
    ['of EC, zeros', resigned(ecToken, Buffer.alloc(64))],
    ['of EC, truncated', resigned(ecToken, Buffer.alloc(63, 1))],
    ['of EC, empty', resigned(ecToken, '')],
  ])('%s is not valid', async (_name, token) => {
    await expectRefused(token, 'the signature is not valid');
  });
});

describe('the algorithm', () => {
  const none = `${encoded({ alg: 'none', kid: rsa.keyId })}.${encoded(claims)}.`;
  const spki = createPublicKey(rsa.publicPem).export({ format: 'der', type: 'spki' });
  const hmac = (secret: string | Buffer) => {
    const signed = `${encoded({ alg: 'HS256', kid: rsa.keyId })}.${encoded(claims)}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  };
  it.each([
    ['none', none],
    ['none in other letters', none.replace(/^[^.]+/, encoded({ alg: 'nOnE' }))],
    ['HS256 with the public key in PEM', hmac(rsa.publicPem)],
    ['HS256 with the public key in PEM, trimmed', hmac(rsa.publicPem.trim())],
    ['HS256 with the public key in DER', hmac(spki)],
    ['missing', signedJwt({ kid: rsa.keyId }, claims, rsa.privateKey)],
    ['a list', withHeader({ alg: ['RS256'] })],
    ['in other letters', withHeader({ alg: 'rs256' })],
    ['null', withHeader({ alg: null })],
    ["an object's own", withHeader({ alg: 'constructor' })],
  ])('%s is not accepted', async (_name, token) => {
    await expectRefused(token, 'the algorithm is not accepted');
  });

  it('that is symmetric is not accepted even of a caller who asks for it', async () => {
    const careless = { algorithms: new Set(['HS256', 'none']) };
    await expectRefused(hmac(spki), 'the algorithm is not accepted', careless);
    await expectRefused(none, 'the algorithm is not accepted', careless);
  });

  it.each([
    ['ES256', rsa],
    ['RS256', ec],
    ['ES384', ec],
    ['ES256', ec384],
    ['ES512', ec384],
  ])('%s is not verified with a key for another', async (alg, { keyId }) => {
    const token = resigned(signedJwt({ alg, kid: keyId }, claims, rsa.privateKey), Buffer.alloc(64, 1));
    await expectRefused(token, `no key with its ID is for ${alg}`);
  });

  it('has to be the one that the key is for', async () => {
    const only = staticKeySet([{ ...rsa.verificationKey, algorithm: 'RS512' }]);
    await expectRefused(good, 'no key with its ID is for RS256', { keys: only });
    const token = withHeader({ alg: 'RS512' }, { alg: 'RS512' });
    expect(await verify(token, { keys: only })).toMatchObject({ kind: 'verified' });
  });

  it('is never verified with a key that is not public', async () => {
    const secret = staticKeySet([{ keyId: rsa.keyId, key: rsa.privateKey }]);
    await expectRefused(good, 'no key with its ID is for RS256', { keys: secret });
  });
});

describe('the key ID', () => {
  it.each([
    ...words('unknown ../../../../dev/null /etc/passwd __proto__ constructor'),
    '',
    "' OR '1'='1",
    `${rsa.keyId} `,
    rsa.keyId.toUpperCase(),
    '\u0000',
    'x'.repeat(10_000),
  ])('%j is unknown', async (kid) => {
    await expectRefused(withHeader({ kid }), 'unknown key ID');
  });

  it.each([[[rsa.keyId]], [7], [null], [{ kid: rsa.keyId }], [true]])('%j is no string', async (kid) => {
    await expectRefused(withHeader({ kid }), 'the key ID is no string');
  });

  it('alone says which keys are tried', async () => {
    const asked: (string | undefined)[] = [];
    const watched: KeySet = {
      version: 1,
      find: ({ keyId }) => {
        asked.push(keyId);
        return keys.find({ keyId });
      },
    };
    await expectRefused(
      signedJwt({ ...header, kid: ec.keyId, alg: 'ES256' }, claims, rsa.privateKey),
      'the signature is not valid',
      { keys: watched },
    );
    expect(asked).toEqual([ec.keyId]);
  });
});

describe('the header', () => {
  const jwk = createPublicKey(foreign.publicPem).export({ format: 'jwk' });
  it.each([
    ['jwk', { jwk }],
    ['jku', { jku: 'https://127.0.0.1:1/keys' }],
    ['x5u', { x5u: 'https://127.0.0.1:1/chain' }],
    ['x5c', { x5c: ['MIIB'] }],
  ])('brings no key as %s', async (_name, extra) => {
    const ours = signedJwt({ ...header, ...extra }, claims, rsa.privateKey);
    expect(await verify(ours)).toMatchObject({ kind: 'verified' });
    const theirs = signedJwt({ ...header, kid: undefined, ...extra }, claims, foreign.privateKey);
    await expectRefused(theirs, 'the signature is not valid');
  });

  it.each([[['x']], [['b64']], [[]], ['x'], [null]])('is refused with crit %j', async (crit) => {
    await expectRefused(withHeader({ crit, b64: false }), 'the header has critical members');
  });

  it('does not change what is signed with b64, and packs nothing with zip', async () => {
    expect(await verify(withHeader({ b64: false, zip: 'DEF' }))).toEqual({ kind: 'verified', claims });
  });

  it.each([
    ['names a member twice', `{"alg":"none","alg":"RS256","kid":"${rsa.keyId}"}`],
    ['names a member twice', `{"alg":"RS256","kid":"x","\\u006bid":"${rsa.keyId}"}`],
    ['names a member twice', `{"alg":"RS256","kid":"${rsa.keyId}","jwk":{"n":1,"n":1}}`],
    ['is no JSON object', `{"alg":"RS256","kid":"${rsa.keyId}",}`],
    ['is no JSON object', `\uFEFF{"alg":"RS256","kid":"${rsa.keyId}"}`],
    ['is no JSON object', '["RS256"]'],
    ['is no JSON object', 'null'],
    ['is no JSON object', '"RS256"'],
    ['is no JSON object', ''],
  ])('%s: %s', async (reason, text) => {
    await expectRefused(signedJwt(text, claims, rsa.privateKey), `the header ${reason}`);
  });

  it('is not parsed with more than 64 parts, each of which takes its time', async () => {
    const having = (parts: number) => {
      // alg, kid and the object itself are three more.
      const others = Array.from({ length: parts - 3 }, (_, at) => [`member${at}`, at] as const);
      return withHeader(Object.fromEntries(others));
    };
    expect(await verify(having(64))).toMatchObject({ kind: 'verified' });
    await expectRefused(having(65), 'the header has too many parts');
    const nested = `{"alg":"RS256","list":${'['.repeat(5000)}${']'.repeat(5000)}}`;
    await expectRefused(signedJwt(nested, claims, rsa.privateKey), 'the header has too many parts');
  });

  it('is not read beyond 16 KiB', async () => {
    await expectRefused(withHeader({ pad: 'x'.repeat(16_384) }), 'the header is too long');
  });
});

describe('the serialization', () => {
  const [head = '', payload = '', signature = ''] = good.split('.');
  const nested = signedJwt({ ...header, cty: 'JWT' }, good, rsa.privateKey);
  it.each([
    ['empty', '', 'the token is no JWT'],
    ['of dots', '..', 'the header is no JSON object'],
    ['of one part', 'opaque', 'the token is no JWT'],
    ['of two parts', `${head}.${payload}`, 'the token is no JWT'],
    ['of four parts', `${good}.x`, 'the token is no JWT'],
    ['with a dot behind', `${good}.`, 'the token is no JWT'],
    ['of an encrypted token', `${head}.a.b.c.d`, 'the token is no JWT'],
    ['in JSON', JSON.stringify({ payload, protected: head, signature }), 'the token is no JWT'],
    ['with a nested token', nested, 'the payload is no JSON object'],
    ['with padding', `${good}==`, 'the token is not base64url'],
    ['with a padded header', `${head}=.${payload}.${signature}`, 'the token is not base64url'],
    ['with a blank before', ` ${good}`, 'the token is not base64url'],
    ['with a line end behind', `${good}\n`, 'the token is not base64url'],
    ['with a line end inside', `${head}.${payload}\r\n.${signature}`, 'the token is not base64url'],
    ['in plain base64', `${head}.${payload}+/.${signature}`, 'the token is not base64url'],
    ['with a null', `${good}\0`, 'the token is not base64url'],
    ['with a stranger', `${good}é`, 'the token is not base64url'],
  ])('%s is refused', async (_name, token, reason) => {
    await expectRefused(token, reason);
  });

  it('is canonical: other trailing bits are another text', async () => {
    // 256 bytes are 341 digits and two bits: four of the last digit's six bits mean nothing.
    const last = good.at(-1) ?? '';
    const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const other = good.slice(0, -1) + (digits[digits.indexOf(last) ^ 1] ?? '');
    expect(Buffer.from(other.slice(-10), 'base64url')).toEqual(Buffer.from(good.slice(-10), 'base64url'));
    await expectRefused(other, 'the token is not base64url');
  });

  it('is not read beyond 64 KiB', async () => {
    const token = withClaims({ pad: 'x'.repeat(65_536) });
    await expectRefused(token, 'the token is longer than 65536 bytes');
  });
});

describe('the claims', () => {
  it.each([
    ['is no JSON object', 'hello'],
    ['is no JSON object', '[]'],
    ['is no JSON object', '"a"'],
    ['is no JSON object', '7'],
    ['names a member twice', `{"iss":"x","iss":"${issuer}"}`],
    ['names a member twice', `{"iss":"${issuer}","iss":"${issuer}"}`],
    ['names a member twice', `{"i\\u0073s":"x","iss":"${issuer}"}`],
    ['names a member twice', `{"iss":"${issuer}","a":[{"b":{"c":1,"c":2}}]}`],
    ['names a member twice', `{"iss":"${issuer}","__proto__":1,"__proto__":2}`],
  ])('are refused: the payload %s: %s', async (reason, text) => {
    await expectRefused(withPayload(text), `the payload ${reason}`);
  });

  it('are UTF-8', async () => {
    const broken = Buffer.concat([Buffer.from('{"iss":"'), Buffer.of(0xff), Buffer.from('"}')]);
    const signed = `${encoded(header)}.${broken.toString('base64url')}`;
    const signature = sign('sha256', Buffer.from(signed), rsa.privateKey).toString('base64url');
    await expectRefused(`${signed}.${signature}`, 'the payload is no JSON object');
  });

  it('may hold colons, quotes and names in strings, and the same name on several levels', async () => {
    const odd = { ...claims, a: '"iss":"x":,{', 'b:"\\': { a: { a: [{ a: 1 }, { a: ':' }] } }, '': {} };
    expect(await verify(withClaims(odd))).toEqual({ kind: 'verified', claims: odd });
  });

  it('may nest as deep as fits', async () => {
    const deep = `{"iss":"${issuer}","a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
    expect(await verify(withPayload(deep))).toMatchObject({ kind: 'verified' });
  });

  it('have no prototype', async () => {
    const verification = await verify(withPayload(`{"iss":"${issuer}","__proto__":{"sub":"eve"}}`));
    if (verification.kind !== 'verified') expect.fail(verification.reason);
    expect(verification.claims['sub']).toBeUndefined();
    expect(verification.claims['constructor']).toBeUndefined();
    expect(verification.claims['__proto__']).toEqual({ sub: 'eve' });
  });

  it.each([
    ['https://other'],
    [`${issuer}/`],
    [issuer.toUpperCase()],
    [''],
    [[issuer]],
    [null],
    [7],
    [undefined],
  ])('are not those of iss %j', async (iss) => {
    await expectRefused(withClaims({ iss }), 'the token is of another issuer');
  });

  it('count as they are written: Iss is not iss', async () => {
    await expectRefused(withPayload({ ISS: issuer, Iss: issuer }), 'the token is of another issuer');
    expect(await verify(withClaims({ EXP: 1, Iss: 'x' }))).toMatchObject({ kind: 'verified' });
  });
});

describe('the time', () => {
  const at = (milliseconds: number) => ({ now: () => nowSeconds * 1000 + milliseconds });
  const expiry = new Date(nowSeconds * 1000).toISOString();
  const token = withClaims({ exp: nowSeconds, nbf: undefined });
  const later = withClaims({ nbf: nowSeconds });

  it.each([0, 59_999, 60_000])('has not run out %d ms behind exp, with a leeway of a minute', async (ms) => {
    expect(await verify(token, at(ms))).toMatchObject({ kind: 'verified' });
  });

  it.each([60_001, 120_000, 1e12])('has run out %d ms behind exp', async (ms) => {
    await expectRefused(token, `expired at ${expiry}`, at(ms));
  });

  it.each([-60_000, -59_999, 0])('has begun %d ms from nbf, with a leeway of a minute', async (ms) => {
    expect(await verify(later, at(ms))).toMatchObject({ kind: 'verified' });
  });

  it.each([-60_001, -600_000])('has not begun %d ms from nbf', async (ms) => {
    await expectRefused(later, `not valid before ${expiry}`, at(ms));
  });

  it('has no leeway where none is given', async () => {
    const exact = { leewaySeconds: 0 };
    expect(await verify(token, { ...exact, ...at(0) })).toMatchObject({ kind: 'verified' });
    await expectRefused(token, `expired at ${expiry}`, { ...exact, ...at(1) });
    await expectRefused(later, `not valid before ${expiry}`, { ...exact, ...at(-1) });
  });

  it('counts in whole seconds', async () => {
    const fraction = withClaims({ exp: nowSeconds + 0.9 });
    await expectRefused(fraction, `expired at ${expiry}`, at(60_001));
  });

  it.each(['exp', 'nbf'])('is a number: %s is nothing else', async (claim) => {
    for (const value of [...words('null true [] {} 1e400 -1e400 1e30 ""'), `"${nowSeconds + 600}"`]) {
      const payload = `{"iss":"${issuer}","${claim}":${value}}`;
      await expectRefused(withPayload(payload), `${claim} is no time`);
    }
    await expectRefused(withPayload(`{"iss":"${issuer}","${claim}":NaN}`), 'the payload is no JSON object');
  });

  it('was over before the epoch', async () => {
    await expectRefused(withClaims({ exp: -1 }), 'expired at 1969-12-31T23:59:59.000Z');
  });

  it('is nothing that a token needs', async () => {
    expect(await verify(withPayload({ iss: issuer }))).toEqual({ kind: 'verified', claims: { iss: issuer } });
  });
});

describe('the keys', () => {
  it('that are not there yet are a refusal that says so', async () => {
    const loading: KeySet = {
      version: 0,
      find: () => Promise.reject(new KeySetError('keys of https://idp are not loaded yet')),
    };
    await expectRefused(good, 'keys of https://idp are not loaded yet', { keys: loading });
    await expectRefused(good, 'no key is given', { keys: staticKeySet([]) });
  });

  it('that fail otherwise are a failure', async () => {
    const broken: KeySet = { version: 0, find: () => Promise.reject(new RangeError('broken')) };
    await expect(verify(good, { keys: broken })).rejects.toThrow(RangeError);
  });
});

describe('whatever a token is', () => {
  const accepted = (alg: unknown, kid: unknown, privateKey: KeyObject) =>
    privateKey === rsa.privateKey && alg === 'RS256' && (kid === undefined || kid === rsa.keyId);

  it('no text is verified, and none makes it fail', async () => {
    const part = fc.oneof(
      fc.string(),
      fc.base64String(),
      fc.json().map(encoded),
      fc.constant(encoded(header)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
        expect((await verify(parts.join('.'))).kind).toBe('refused');
      }),
    );
  });

  it('it is verified for one reason alone', async () => {
    const odd = fc.oneof(fc.jsonValue(), fc.constantFrom('__proto__', '', nowSeconds, nowSeconds - 61));
    const mostly = <Value>(usual: fc.Arbitrary<Value>) =>
      fc.oneof({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: odd });
    const absent = fc.constant(undefined);
    const time = fc.integer({ min: -100, max: 100 }).map((distance) => nowSeconds + distance);
    const isTime = (value: unknown): value is number =>
      typeof value === 'number' && Math.abs(value) <= 8_640_000_000_000;
    const kinds = { verified: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(rsa.privateKey, rsa.privateKey, foreign.privateKey),
        mostly(fc.constant('RS256')),
        mostly(fc.constantFrom(undefined, rsa.keyId)),
        mostly(absent),
        fc.record({
          iss: mostly(fc.constant(issuer)),
          exp: mostly(fc.oneof(time, absent)),
          nbf: mostly(fc.oneof(time, absent)),
        }),
        async (privateKey, alg, kid, crit, payload) => {
          const { kind } = await verify(signedJwt({ alg, kid, crit }, payload, privateKey));
          const { iss, exp = nowSeconds, nbf = nowSeconds } = payload;
          const isVerified =
            accepted(alg, kid, privateKey) &&
            crit === undefined &&
            iss === issuer &&
            isTime(exp) &&
            isTime(nbf) &&
            Math.trunc(exp) >= nowSeconds - 60 &&
            Math.trunc(nbf) <= nowSeconds + 60;
          expect(kind).toBe(isVerified ? 'verified' : 'refused');
          kinds[kind] += 1;
        },
      ),
      { numRuns: 300 },
    );
    expect(kinds.verified).toBeGreaterThan(10);
    expect(kinds.refused).toBeGreaterThan(10);
  });

  it('no bit of it may be another', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.nat(7), async (at, bit) => {
        const bytes = Buffer.from(good, 'latin1');
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
        expect((await verify(bytes.toString('latin1'))).kind).toBe('refused');
      }),
      { numRuns: 500 },
    );
  });

  it('no reason quotes it', async () => {
    const secret = 'c2VjcmV0';
    for (const token of [
      secret,
      `${secret}.${secret}.${secret}`,
      resigned(good, secret),
      `${good}.${secret}`,
    ]) {
      const verification = await verify(token);
      expect(JSON.stringify(verification)).not.toContain(secret);
    }
  });
});
