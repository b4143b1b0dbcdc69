import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OidcAuthenticator } from '../../../../src/authentication/tokens/oidc/oidc.js';
import { createOidcSetting, outcome, presenting, type OidcSetting } from './oidc-setting.js';

let setting: OidcSetting;
let authenticator: OidcAuthenticator;

beforeAll(async () => {
  setting = await createOidcSetting();
  authenticator = await setting.openReady({ groupsClaim: 'groups', groupsPrefix: 'oidc:' });
});

afterAll(() => setting.close());

const seconds = (): number => Math.floor(Date.now() / 1000);
const hour = 3_600;

describe("a provider's ID token", () => {
  it('says who the user is', async () => {
    const token = await setting.provider.idToken('alice', { groups: ['monitoring', 'team-a'] });
    expect(await outcome(authenticator, token)).toEqual({
      name: `${setting.provider.issuerUrl}#alice`,
      groups: ['oidc:monitoring', 'oidc:team-a'],
      extra: {},
    });
  });

  it('may name the user by email address', async () => {
    const byEmail = await setting.openReady({ usernameClaim: 'email' });
    const { provider } = setting;
    const verified = await provider.idToken('alice', { email: 'alice@example.com', email_verified: true });
    expect(await outcome(byEmail, verified)).toMatchObject({ name: 'alice@example.com', groups: [] });
    const claimed = await provider.idToken('eve', { email: 'alice@example.com', email_verified: false });
    expect(await outcome(byEmail, claimed)).toBe('the email address is not verified');
  });

  it('gives the same frozen object each time, from the second time on at once', async () => {
    const token = await setting.provider.idToken('bob');
    const [first, second] = await Promise.all([
      authenticator.authenticate(presenting(token)),
      authenticator.authenticate(presenting(token)),
    ]);
    expect(Object.isFrozen(first)).toBe(true);
    expect(second).toBe(first);
    expect(authenticator.authenticate(presenting(token))).toBe(first);
  });

  it('counts until it expires, also where it is known already', async () => {
    let now = Date.now();
    const clocked = await setting.openReady({ now: () => now });
    const exp = seconds() + 60;
    const token = await setting.provider.sign({ ...claims(), exp });
    expect(await outcome(clocked, token)).toMatchObject({ groups: [] });
    now = exp * 1000;
    expect(await outcome(clocked, token)).toMatchObject({ groups: [] });
    now += 1;
    const expired = `expired at ${new Date(exp * 1000).toISOString()}`;
    expect(await outcome(clocked, token)).toBe(expired);
    const another = await setting.provider.sign({ ...claims(), sub: 'bob', exp });
    expect(await outcome(clocked, another)).toBe(expired);
  });

  const claims = () => ({
    iss: setting.provider.issuerUrl,
    aud: 'metrics',
    sub: 'alice',
    exp: seconds() + hour,
  });

  it.each<[string, Readonly<Record<string, unknown>>]>([
    ['several audiences', { aud: ['other', 'metrics'] }],
    ['another authorized party', { aud: ['other', 'metrics'], azp: 'other' }],
    ['a beginning that the clocks may differ by', { nbf: seconds() + 50 }],
  ])('may have %s', async (_, more) => {
    const token = await setting.provider.sign({ ...claims(), ...more });
    expect(await outcome(authenticator, token)).toMatchObject({ extra: {} });
  });

  it('may have an ID, which is told', async () => {
    const token = await setting.provider.sign({ ...claims(), jti: 'id-1' });
    expect(await outcome(authenticator, token)).toMatchObject({
      extra: { 'authentication.kubernetes.io/credential-id': ['JTI=id-1'] },
    });
  });

  it.each<[string, Readonly<Record<string, unknown>>, string | RegExp]>([
    ['is for others', { aud: ['other', 'métrics'] }, 'audiences are not accepted: ["other","métrics"]'],
    ['is for nobody', { aud: undefined }, 'there is no aud'],
    ['is for nobody in a list', { aud: [['metrics']] }, 'aud is no list of strings'],
    [
      'is for very many others',
      { aud: Array(1000).fill('a') },
      /^audiences are not accepted: \["a".{90,110}…$/,
    ],
    ['has expired', { exp: 1_700_000_000 }, 'expired at 2023-11-14T22:13:20.000Z'],
    ['never expires', { exp: undefined }, 'there is no exp'],
    ['expires at some other time', { exp: '2099-01-01' }, 'exp is no time'],
    ['is not valid yet', { nbf: 4_000_000_000 }, 'not valid before 2096-10-02T07:06:40.000Z'],
    ['has no user', { sub: undefined }, 'the user name\'s claim "sub" is no text, or empty'],
    [
      'is one that API servers show to webhooks',
      { 'kubernetes.io': { validatingwebhookconfiguration: { name: 'policy', uid: 'w1' } } },
      'the token is bound to a webhook configuration',
    ],
    ['has groups of no kind', { groups: { a: 'b' } }, /neither text nor a list of texts/],
  ])('is refused where it %s', async (_, more, reason) => {
    const token = await setting.provider.sign({ ...claims(), ...more });
    expect(await outcome(authenticator, token)).toEqual(
      typeof reason === 'string' ? reason : expect.stringMatching(reason),
    );
  });

  it('is refused with a signature that is not its own', async () => {
    const [header, , signature] = (await setting.provider.sign(claims())).split('.');
    const payload = Buffer.from(JSON.stringify({ ...claims(), sub: 'admin' })).toString('base64url');
    expect(await outcome(authenticator, [header, payload, signature].join('.'))).toBe(
      'the signature is not valid',
    );
  });

  it('is refused with an algorithm that is not asked for', async () => {
    const strict = await setting.openReady({ signingAlgorithms: ['ES256', 'PS256'] });
    expect(await outcome(strict, await setting.provider.sign(claims()))).toBe(
      'the algorithm is not accepted',
    );
  });
});

describe('a request without such a token', () => {
  it.each([
    ['carries nothing', undefined, { kind: 'none' }],
    ['brings a password', 'Basic YTpi', { kind: 'none' }],
    ['has text behind the token', 'Bearer a b', { kind: 'refused', reason: 'text behind the bearer token' }],
    ['brings no JWT', 'Bearer token', { kind: 'refused', reason: 'the token is no JWT' }],
    [
      'brings a token of another issuer',
      `Bearer e30.${Buffer.from('{"iss":"https://127.0.0.1"}').toString('base64url')}.x`,
      { kind: 'refused', reason: 'the token is of another issuer' },
    ],
  ])('%s and is answered at once', (_, authorization, authentication) => {
    const before = setting.provider.requests.length;
    const headers = authorization === undefined ? {} : { authorization: [authorization] };
    expect(authenticator.authenticate({ headers })).toEqual(authentication);
    expect(setting.provider.requests.length).toBe(before);
  });
});
