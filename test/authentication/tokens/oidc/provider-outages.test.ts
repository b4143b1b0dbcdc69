import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../../../../src/pki/throwaway-pki.js';
import type { Answer } from '../../../support/openid-provider.js';
import { createOidcSetting, outcome, presenting, type OidcSetting } from './oidc-setting.js';

let setting: OidcSetting;

beforeEach(async () => {
  setting = await createOidcSetting();
});

afterEach(() => setting.close());

const name = (user: string) => ({ name: `${setting.provider.issuerUrl}#${user}` });
const notLoaded = (why: string): string =>
  `the keys of ${setting.provider.issuerUrl} are not loaded yet: ${why}`;

describe('keys that are rotated', () => {
  it('count without a restart, while tokens keep coming', async () => {
    const { provider } = setting;
    const authenticator = await setting.openReady();
    const old = await provider.idToken('alice');
    expect(await outcome(authenticator, old)).toMatchObject(name('alice'));
    await provider.rotateKeys();
    const outcomes = Promise.all(
      ['bob', 'carol', 'dave'].map(async (user) => outcome(authenticator, await provider.idToken(user))),
    );
    expect(await outcome(authenticator, old)).toMatchObject(name('alice'));
    expect(await outcomes).toMatchObject([name('bob'), name('carol'), name('dave')]);
    expect(provider.requests.filter((path) => path === '/jwks')).toHaveLength(2);
    expect(await outcome(authenticator, old)).toMatchObject(name('alice'));
  });

  it('end the tokens of a key that is withdrawn, known ones too', async () => {
    const { provider } = setting;
    const authenticator = await setting.openReady();
    const old = await provider.idToken('alice');
    expect(await outcome(authenticator, old)).toMatchObject(name('alice'));
    await provider.rotateKeys({ withdrawOld: true });
    expect(await outcome(authenticator, await provider.idToken('alice'))).toMatchObject(name('alice'));
    expect(await outcome(authenticator, old)).toBe('unknown key ID');
  });

  it('are downloaded once, however many tokens name keys that nobody has', async () => {
    const { provider } = setting;
    const authenticator = await setting.openReady();
    const good = await provider.idToken('alice');
    const claims = { iss: provider.issuerUrl, aud: provider.clientId, sub: 'eve', exp: 4_000_000_000 };
    const one = (await provider.sign(claims, 'nobody')).split('.');
    const bad = Array.from({ length: 1_000 }, (_, at) =>
      [Buffer.from(`{"alg":"RS256","kid":"${at}"}`).toString('base64url'), one[1], one[2]].join('.'),
    );
    const before = provider.requests.length;
    const outcomes = await Promise.all(bad.map((token) => outcome(authenticator, token)));
    expect(new Set(outcomes)).toEqual(new Set(['unknown key ID']));
    expect(provider.requests.slice(before)).toEqual(['/.well-known/openid-configuration', '/jwks']);
    expect(await outcome(authenticator, good)).toMatchObject(name('alice'));
    expect(await outcome(authenticator, bad[0] ?? '')).toBe('unknown key ID');
    expect(provider.requests.length).toBe(before + 2);
  });
});

describe('a provider that is down', () => {
  it('at the start has its tokens refused at once, until it is there', async () => {
    const { provider, refreshes } = setting;
    const token = await provider.idToken('alice');
    await provider.stop();
    const authenticator = setting.open();
    expect(await outcome(authenticator, token)).toBe(notLoaded('the first download is under way'));
    await expect.poll(() => refreshes.length).toBeGreaterThan(0);
    expect(await outcome(authenticator, token)).toMatch(/are not loaded yet: .*connection refused/);
    await provider.start();
    await expect.poll(() => outcome(authenticator, token), { timeout: 10_000 }).toMatchObject(name('alice'));
  });

  it('later leaves its keys in force', async () => {
    const { provider, refreshes } = setting;
    const authenticator = await setting.openReady();
    const token = await provider.idToken('alice');
    const strange = await provider.sign({ iss: provider.issuerUrl }, 'key-2');
    await provider.stop();
    expect(await outcome(authenticator, strange)).toBe('unknown key ID');
    expect(refreshes.at(-1)).toMatch(/connection refused/);
    expect(await outcome(authenticator, token)).toMatchObject(name('alice'));
  });
});

describe('a provider that says nothing', () => {
  const nothing: Answer = () => undefined;

  it('at the start keeps nobody waiting', async () => {
    const { provider } = setting;
    const token = await provider.idToken('alice');
    provider.answerWith(nothing);
    const startedAt = performance.now();
    const authenticator = setting.open();
    expect(await outcome(authenticator, token)).toBe(notLoaded('the first download is under way'));
    expect(authenticator.authenticate(presenting('no.jwt'))).toMatchObject({ kind: 'refused' });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('later keeps only tokens waiting whose keys are unknown, for two seconds together', async () => {
    const { provider } = setting;
    const authenticator = await setting.openReady();
    const token = await provider.idToken('alice');
    provider.answerWith(nothing);
    const strange = await provider.sign({ iss: provider.issuerUrl }, 'key-2');
    const startedAt = performance.now();
    const waiting = outcome(authenticator, strange);
    expect(await outcome(authenticator, token)).toMatchObject(name('alice'));
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(await waiting).toBe('unknown key ID');
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    const later = performance.now();
    expect(await outcome(authenticator, strange)).toBe('unknown key ID');
    expect(performance.now() - later).toBeLessThan(1_000);
  });
});

describe('a provider that cannot be used', () => {
  const json =
    (document: unknown): Answer =>
    (_, response) =>
      response.end(JSON.stringify(document));

  it.each<[string, () => Answer, RegExp]>([
    ['talks about the weather', () => (_, response) => response.end('secret weather'), /is no JSON$/],
    ['says no object', () => json(null), /is no JSON object$/],
    ['says who someone else is', () => json({ issuer: 'https://evil.example' }), /is of another issuer$/],
    ['adds a slash', () => json({ issuer: `${setting.provider.issuerUrl}/` }), /is of another issuer$/],
    ['has no keys', () => json({ issuer: setting.provider.issuerUrl }), /names no https URL of keys$/],
    [
      'has keys without TLS',
      () => json({ issuer: setting.provider.issuerUrl, jwks_uri: 'http://127.0.0.1/jwks' }),
      /names no https URL of keys$/,
    ],
    [
      'redirects',
      () => (_, response) => response.writeHead(302, { Location: setting.provider.issuerUrl }).end(),
      /the answer is 302, and redirects are not followed$/,
    ],
    ['is broken', () => (_, response) => response.writeHead(500).end('secret'), /the answer is 500$/],
    [
      'says too much',
      () => (_, response) => response.end(`"${'x'.repeat(1024 * 1024)}"`),
      /is larger than 1048576 bytes$/,
    ],
  ])('since it %s has its tokens refused, and the log says why', async (_, answer, why) => {
    const { provider, refreshes } = setting;
    const token = await provider.idToken('alice');
    provider.answerWith(answer());
    const authenticator = setting.open();
    await expect.poll(() => refreshes[0]).toMatch(why);
    expect(refreshes[0]).not.toMatch(/secret|evil|\n/);
    expect(await outcome(authenticator, token)).toBe(notLoaded(refreshes[0] ?? ''));
    provider.answerWith(undefined);
    await expect.poll(() => outcome(authenticator, token), { timeout: 10_000 }).toMatchObject(name('alice'));
  });

  it('since another CA vouches for it is not believed, until its CA is given', async () => {
    const { authority, provider, refreshes } = setting;
    const token = await provider.idToken('alice');
    let trusted = (await createAuthority({ commonName: 'ca' })).certificatePem;
    const authenticator = setting.open({ ca: () => trusted });
    await expect
      .poll(() => refreshes[0])
      .toMatch(/the server certificate is not signed by a known authority/);
    trusted = authority.certificatePem;
    await expect.poll(() => outcome(authenticator, token), { timeout: 10_000 }).toMatchObject(name('alice'));
  });
});

describe('an authenticator that is closed', () => {
  it('asks no more', async () => {
    const { provider, refreshes } = setting;
    const authenticator = await setting.openReady();
    const token = await provider.idToken('alice');
    authenticator.close();
    const before = provider.requests.length;
    expect(await outcome(authenticator, await provider.sign({ iss: provider.issuerUrl }, 'key-2'))).toBe(
      'unknown key ID',
    );
    expect(await outcome(authenticator, token)).toMatchObject(name('alice'));
    expect(provider.requests.length).toBe(before);
    expect(refreshes).toEqual(['success']);
  });
});
