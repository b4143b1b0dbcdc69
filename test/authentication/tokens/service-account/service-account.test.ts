import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Authentication } from '../../../../src/authentication/authenticator.js';
import { type KeySet, staticKeySet } from '../../../../src/authentication/tokens/jwt/key-set.js';
import {
  serviceAccountAuthenticator,
  type ServiceAccountOptions,
} from '../../../../src/authentication/tokens/service-account.js';
import { ecKey, encoded, rsaKey, signedJwt } from '../jwt/signed-jwt.js';

type Json = Record<string, unknown>;

const rsa = rsaKey();
const ec = ecKey();
const issuer = 'https://kcp.default.svc';
const nowSeconds = 1_800_000_000;
const moment = new Date(nowSeconds * 1000).toISOString();
const subject = 'system:serviceaccount:monitoring:prometheus';

const options: ServiceAccountOptions = {
  keys: staticKeySet([rsa.verificationKey, ec.verificationKey]),
  issuers: [issuer, 'https://old.example.org'],
  audiences: [issuer, 'metrics'],
  now: () => nowSeconds * 1000,
};
const claims = {
  iss: issuer,
  aud: [issuer],
  exp: nowSeconds + 3600,
  iat: nowSeconds - 5,
  nbf: nowSeconds - 5,
  jti: 'j1',
  sub: subject,
  'kubernetes.io': { namespace: 'monitoring', serviceaccount: { name: 'prometheus', uid: 'u1' } },
};
const legacyClaims = {
  iss: 'kubernetes/serviceaccount',
  sub: subject,
  'kubernetes.io/serviceaccount/namespace': 'monitoring',
  'kubernetes.io/serviceaccount/secret.name': 'prometheus-token',
  'kubernetes.io/serviceaccount/service-account.name': 'prometheus',
  'kubernetes.io/serviceaccount/service-account.uid': 'u1',
};

const tokenOf = (payload: Json) => signedJwt({ alg: 'RS256', kid: rsa.keyId }, payload, rsa.privateKey);
const withClaims = (others: Json) => tokenOf({ ...claims, ...others });
const bearing = (token: string) => ({ headers: { authorization: [`Bearer ${token}`] } });
const ask = (token: string, other: Partial<ServiceAccountOptions> = {}) =>
  serviceAccountAuthenticator({ ...options, ...other }).authenticate(bearing(token));

async function expectRefused(token: string, reason: string, other: Partial<ServiceAccountOptions> = {}) {
  expect(await ask(token, other)).toEqual({ kind: 'refused', reason });
}

function identityOf(authentication: Authentication) {
  if (authentication.kind !== 'authenticated') expect.fail(JSON.stringify(authentication));
  return authentication.identity;
}

/** Keys that count how often they are asked for, and that can be others. */
function changingKeys(first: KeySet) {
  let current = first;
  let asked = 0;
  return {
    get version() {
      return current.version;
    },
    find(header: { readonly keyId: string | undefined }) {
      asked += 1;
      return current.find(header);
    },
    change(next: KeySet) {
      current = next;
    },
    get asked() {
      return asked;
    },
  };
}

describe('a token of a service account', () => {
  it('is who its claims say', async () => {
    expect(await ask(tokenOf(claims))).toEqual({
      kind: 'authenticated',
      identity: {
        name: subject,
        uid: 'u1',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:monitoring'],
        extra: { 'authentication.kubernetes.io/credential-id': ['JTI=j1'] },
      },
    });
  });

  it.each([
    [{ aud: issuer }],
    [{ aud: 'metrics' }],
    [{ aud: ['other', 'metrics'] }],
    [{ iss: 'https://old.example.org' }],
    [{ iat: undefined, nbf: undefined }],
    [{ iat: nowSeconds + 60 }],
    [{ exp: nowSeconds - 60 }],
    [{ nbf: nowSeconds + 60 }],
  ])('is accepted with %j', async (others) => {
    expect(await ask(withClaims(others))).toMatchObject({ kind: 'authenticated' });
  });

  it.each([
    [{ exp: undefined }, 'there is no exp'],
    [{ exp: nowSeconds - 61 }, `expired at ${new Date((nowSeconds - 61) * 1000).toISOString()}`],
    [{ exp: String(nowSeconds + 60) }, 'exp is no time'],
    [{ nbf: nowSeconds + 61 }, `not valid before ${new Date((nowSeconds + 61) * 1000).toISOString()}`],
    [
      { iat: nowSeconds + 61 },
      `issued in the future, at ${new Date((nowSeconds + 61) * 1000).toISOString()}`,
    ],
    [{ iat: 'now' }, 'iat is no time'],
    [{ aud: undefined }, 'there is no aud'],
    [{ aud: [] }, 'audiences are not accepted: []'],
    [{ aud: ['other'] }, 'audiences are not accepted: ["other"]'],
    [{ aud: '"\n' }, 'audiences are not accepted: ["\\"\\n"]'],
    [{ aud: [issuer, 7] }, 'aud is no list of strings'],
    [{ aud: { [issuer]: 1 } }, 'aud is no list of strings'],
    [{ aud: null }, 'aud is no list of strings'],
    [{ sub: 'system:serviceaccount:a:b' }, 'sub is not the account that the other claims name'],
    [{ iss: 'https://other' }, 'the token is of another issuer'],
    [{ iss: undefined }, 'the token is no JWT'],
  ])('is refused with %j', async (others, reason) => {
    await expectRefused(withClaims(others), reason);
  });

  const kind = 'webhookconfiguration';
  const attestations = { admissionReviewAPIGroups: ['apps'] };
  const configuration = { name: 'policy.example.org', uid: 'w1' };
  it.each<Json>([
    { [`validating${kind}`]: configuration, attestations },
    { [`mutating${kind}`]: configuration, attestations },
    { [`validating${kind}`]: configuration },
    { [`mutating${kind}`]: null },
    { [`Mutating${kind}`]: configuration },
    { attestations },
    { attestations: {}, pod: { name: 'prometheus-0', uid: 'p1' } },
  ])(
    'is refused where it is bound to a webhook configuration, as API servers show it to webhooks: %j',
    async (more) => {
      const kubernetes = { ...claims['kubernetes.io'], ...more };
      const reason = 'the token is bound to a webhook configuration';
      await expectRefused(withClaims({ 'kubernetes.io': kubernetes }), reason);
      await expectRefused(tokenOf({ ...legacyClaims, 'kubernetes.io': more }), reason, {
        issuers: ['kubernetes/serviceaccount'],
      });
    },
  );

  it('is refused in 128 characters, however many audiences it has', async () => {
    const answer = await ask(withClaims({ aud: Array.from({ length: 99 }, (_, at) => `audience-${at} 🙂`) }));
    if (answer.kind !== 'refused') expect.fail(answer.kind);
    expect(answer.reason).toMatch(/^audiences are not accepted: \["audience-0 .*…$/u);
    expect(answer.reason.length).toBeLessThanOrEqual(128);
    expect(answer.reason.isWellFormed()).toBe(true);
  });
});

describe('a token out of a Secret', () => {
  const withLegacy = { issuers: [issuer, 'kubernetes/serviceaccount'] };

  it('is of another issuer, unless its issuer is named', async () => {
    await expectRefused(tokenOf(legacyClaims), 'the token is of another issuer');
  });

  it('needs neither exp nor aud', async () => {
    const identity = identityOf(await ask(tokenOf(legacyClaims), withLegacy));
    expect(identity).toMatchObject({ name: subject, uid: 'u1', extra: {} });
  });

  it('is held to those that it has', async () => {
    await expectRefused(
      tokenOf({ ...legacyClaims, exp: nowSeconds - 61 }),
      expect.any(String) as string,
      withLegacy,
    );
    const elsewhere = tokenOf({ ...legacyClaims, aud: ['other'] });
    await expectRefused(elsewhere, 'audiences are not accepted: ["other"]', withLegacy);
  });

  it('leaves the others what they have to be', async () => {
    await expectRefused(withClaims({ exp: undefined }), 'there is no exp', withLegacy);
    await expectRefused(tokenOf({ ...legacyClaims, iss: issuer }), 'there is no exp', withLegacy);
  });
});

describe('what is no token of these accounts', () => {
  const keys = changingKeys(options.keys);
  const authenticator = serviceAccountAuthenticator({ ...options, keys });

  it.each([
    ['no header', {}],
    ['another scheme', { authorization: ['Basic YTpi'] }],
    ['an empty header', { authorization: [''] }],
  ])('%s is none', (_name, headers) => {
    expect(authenticator.authenticate({ headers })).toEqual({ kind: 'none' });
  });

  it.each([
    ['opaque', 'the token is no JWT'],
    ['a.b.c', 'the token is no JWT'],
    [`${encoded({ alg: 'none' })}.${encoded({ iss: 'https://other' })}.`, 'the token is of another issuer'],
    [tokenOf({ ...claims, iss: 'https://other' }), 'the token is of another issuer'],
    [`${tokenOf(claims)} x`, 'text behind the bearer token'],
    ['x'.repeat(65_537), 'the token is longer than 65536 bytes'],
  ])('is refused at once, without a look at a key: %.30s', (token, reason) => {
    expect(authenticator.authenticate(bearing(token))).toEqual({ kind: 'refused', reason });
    expect(keys.asked).toBe(0);
  });
});

describe('a token that was verified', () => {
  it('is answered at once, with the same frozen answer', async () => {
    const keys = changingKeys(options.keys);
    const authenticator = serviceAccountAuthenticator({ ...options, keys });
    const token = tokenOf(claims);
    const first = await authenticator.authenticate(bearing(token));
    expect(authenticator.authenticate(bearing(token))).toBe(first);
    expect(keys.asked).toBe(1);
    expect(Object.isFrozen(first)).toBe(true);
  });

  it('has one identity, also when it came several times at once', async () => {
    const authenticator = serviceAccountAuthenticator(options);
    const token = tokenOf(claims);
    const answers = await Promise.all(
      Array.from({ length: 8 }, async () => authenticator.authenticate(bearing(token))),
    );
    expect(new Set(answers.map(identityOf)).size).toBe(1);
  });

  it('is refused once it has expired, to the millisecond', async () => {
    let now = nowSeconds * 1000;
    const authenticator = serviceAccountAuthenticator({ ...options, now: () => now });
    const token = withClaims({ exp: nowSeconds });
    const first = await authenticator.authenticate(bearing(token));
    now += 60_000;
    expect(authenticator.authenticate(bearing(token))).toBe(first);
    now += 1;
    expect(await authenticator.authenticate(bearing(token))).toEqual({
      kind: 'refused',
      reason: `expired at ${moment}`,
    });
  });

  it('is refused once its key is gone', async () => {
    const keys = changingKeys(options.keys);
    const authenticator = serviceAccountAuthenticator({ ...options, keys });
    const token = tokenOf(claims);
    expect(await authenticator.authenticate(bearing(token))).toMatchObject({ kind: 'authenticated' });
    keys.change(staticKeySet([ec.verificationKey]));
    expect(await authenticator.authenticate(bearing(token))).toEqual({
      kind: 'refused',
      reason: 'unknown key ID',
    });
  });

  it('is not remembered where its key went while it was verified', async () => {
    const keys = changingKeys(options.keys);
    const authenticator = serviceAccountAuthenticator({ ...options, keys });
    const token = tokenOf(claims);
    const verification = authenticator.authenticate(bearing(token));
    keys.change(staticKeySet([ec.verificationKey]));
    expect(await verification).toMatchObject({ kind: 'authenticated' });
    expect(await authenticator.authenticate(bearing(token))).toMatchObject({ kind: 'refused' });
  });

  it('is forgotten for others beyond the limit, and verified again', async () => {
    const keys = changingKeys(options.keys);
    const authenticator = serviceAccountAuthenticator({ ...options, keys, maxCached: 2 });
    const tokens = ['a', 'b', 'c'].map((jti) => withClaims({ jti }));
    for (const token of tokens) await authenticator.authenticate(bearing(token));
    expect(keys.asked).toBe(3);
    for (const token of [...tokens].reverse()) await authenticator.authenticate(bearing(token));
    expect(keys.asked).toBe(4);
  });

  it('does not vouch for a token with other bits', async () => {
    const authenticator = serviceAccountAuthenticator(options);
    const token = signedJwt({ alg: 'ES256', kid: ec.keyId }, claims, ec.privateKey, 'ES256');
    await authenticator.authenticate(bearing(token));
    await fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), fc.nat(7), async (at, bit) => {
        const bytes = Buffer.from(token, 'latin1');
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
        const answer = await authenticator.authenticate(bearing(bytes.toString('latin1')));
        // A blank at its end is no part of the token.
        if (bytes.toString('latin1').trim() !== token) expect(answer.kind).not.toBe('authenticated');
      }),
      { numRuns: 400 },
    );
  });
});

describe('the options', () => {
  it.each<[Partial<ServiceAccountOptions>, string]>([
    [{ audiences: [] }, 'audiences must not be empty'],
    [{ audiences: [''] }, 'audiences must not be empty'],
    [{ audiences: ['a', ' '] }, 'audiences must not be empty'],
    [{ issuers: [] }, 'issuers must not be empty'],
    [{ issuers: [issuer, ''] }, 'issuers must not be empty'],
    [{ maxCached: 0 }, 'maxCached must be at least 1'],
    [{ maxCached: Number.NaN }, 'maxCached must be at least 1'],
  ])('%j are refused', (other, message) => {
    expect(() => serviceAccountAuthenticator({ ...options, ...other })).toThrow(new RangeError(message));
  });
});

describe('whatever the claims are', () => {
  const isTime = (value: unknown): value is number =>
    typeof value === 'number' && Math.abs(value) <= 8_640_000_000_000;

  it('nobody is authenticated but for every claim that has to be there', async () => {
    const authenticator = serviceAccountAuthenticator(options);
    const odd = fc.oneof(fc.jsonValue(), fc.constantFrom(issuer, nowSeconds, subject));
    const mostly = (usual: unknown) =>
      fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: odd });
    const kinds = { authenticated: 0, refused: 0, none: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.record(
          {
            iss: mostly(issuer),
            aud: fc.oneof(mostly(issuer), mostly(['x', 'metrics'])),
            exp: mostly(nowSeconds + 9),
            iat: mostly(nowSeconds),
            nbf: mostly(nowSeconds),
            sub: mostly(subject),
            jti: mostly('j'),
            'kubernetes.io': mostly(claims['kubernetes.io']),
          },
          { requiredKeys: ['iss', 'sub', 'kubernetes.io', 'aud'] },
        ),
        async (payload) => {
          const answer = await authenticator.authenticate(bearing(tokenOf(payload)));
          kinds[answer.kind] += 1;
          const { iss, aud, exp, iat = 0, nbf = 0, sub, jti = 'j' } = payload;
          const audiences: readonly unknown[] = [aud].flat();
          const isAuthenticated =
            iss === issuer &&
            audiences.every((audience) => typeof audience === 'string') &&
            (audiences.includes(issuer) || audiences.includes('metrics')) &&
            isTime(exp) &&
            Math.trunc(exp) >= nowSeconds - 60 &&
            isTime(iat) &&
            Math.trunc(iat) <= nowSeconds + 60 &&
            isTime(nbf) &&
            Math.trunc(nbf) <= nowSeconds + 60 &&
            sub === subject &&
            typeof jti === 'string' &&
            jti !== '' &&
            payload['kubernetes.io'] === claims['kubernetes.io'];
          expect(answer.kind).toBe(isAuthenticated ? 'authenticated' : 'refused');
        },
      ),
      { numRuns: 400 },
    );
    expect(kinds.authenticated).toBeGreaterThan(20);
    expect(kinds.refused).toBeGreaterThan(20);
  });

  it('no token makes it fail', async () => {
    const authenticator = serviceAccountAuthenticator(options);
    const parts = fc.array(fc.oneof(fc.string(), fc.json().map(encoded), fc.constant(encoded(claims))));
    await fc.assert(
      fc.asyncProperty(parts, async (texts) => {
        const { kind } = await authenticator.authenticate(bearing(texts.join('.')));
        expect(kind).not.toBe('authenticated');
      }),
    );
  });
});
