import { createHmac, createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { serviceAccountAuthenticator } from '../../src/authentication/tokens/service-account.js';
import { ecKey, encoded, rsaKey, signedJwt } from '../authentication/tokens/jwt/signed-jwt.js';
import { recorded } from './recorded.js';
import { staticKeySet } from '../../src/authentication/tokens/jwt/key-set.js';

interface Row {
  readonly token: string;
  readonly authenticated: boolean;
}

type Json = Record<string, unknown>;

const { rows } = recorded('service-account-tokens.json') as { readonly rows: readonly Row[] };

const issuer = 'https://kcp.default.svc';
const rsa = rsaKey();
const ec = ecKey();
const foreign = rsaKey();
const now = Math.floor(Date.now() / 1000);
const kubernetes = { namespace: 'monitoring', serviceaccount: { name: 'prometheus', uid: 'u1' } };
const base = {
  aud: [issuer],
  exp: now + 3600,
  iat: now - 5,
  nbf: now - 5,
  iss: issuer,
  jti: '2c9b',
  sub: 'system:serviceaccount:monitoring:prometheus',
  'kubernetes.io': kubernetes,
};
const header = { alg: 'RS256', kid: rsa.keyId };
const withHeader = (others: Json, alg = 'RS256') =>
  signedJwt({ ...header, alg, ...others }, base, rsa.privateKey, alg);
const withClaims = (others: Json) => signedJwt(header, { ...base, ...others }, rsa.privateKey);
const legacy = {
  iss: 'kubernetes/serviceaccount',
  sub: base.sub,
  'kubernetes.io/serviceaccount/namespace': 'monitoring',
  'kubernetes.io/serviceaccount/secret.name': 'gone',
  'kubernetes.io/serviceaccount/service-account.name': 'prometheus',
  'kubernetes.io/serviceaccount/service-account.uid': 'u1',
};

function hmacToken(): string {
  const signed = `${encoded({ ...header, alg: 'HS256' })}.${encoded(base)}`;
  return `${signed}.${createHmac('sha256', rsa.publicPem).update(signed).digest('base64url')}`;
}

/** Each row's token, made for real. */
const tokens: Readonly<Record<string, string>> = {
  'base, RS256': withHeader({}),
  'base, ES256': signedJwt({ alg: 'ES256', kid: ec.keyId }, base, ec.privateKey, 'ES256'),
  'base, RS512': withHeader({}, 'RS512'),
  'base, PS256': withHeader({}, 'PS256'),
  'base without kid': withHeader({ kid: undefined }),
  'base, unknown kid': withHeader({ kid: 'unknown' }),
  'base, exp 30 s ago': withClaims({ exp: now - 30 }),
  'base, exp 120 s ago': withClaims({ exp: now - 120 }),
  'base, nbf in 30 s': withClaims({ nbf: now + 30 }),
  'base, nbf in 600 s': withClaims({ nbf: now + 600 }),
  'base without exp': withClaims({ exp: undefined }),
  'base, aud [other]': withClaims({ aud: ['other'] }),
  'base, aud a string': withClaims({ aud: issuer }),
  'base, aud [other, issuer]': withClaims({ aud: ['other', issuer] }),
  'base without aud': withClaims({ aud: undefined }),
  'base, another iss': withClaims({ iss: 'https://other' }),
  'base signed by a foreign key, our kid': signedJwt(header, base, foreign.privateKey),
  'alg none': `${encoded({ alg: 'none' })}.${encoded(base)}.`,
  "HS256 keyed with the public key's PEM": hmacToken(),
  'foreign key embedded as jwk, no kid': signedJwt(
    { alg: 'RS256', jwk: createPublicKey(foreign.publicPem).export({ format: 'jwk' }) },
    base,
    foreign.privateKey,
  ),
  'crit [x]': withHeader({ crit: ['x'], x: 1 }),
  'base, sub of another account': withClaims({ sub: 'system:serviceaccount:monitoring:grafana' }),
  'base without kubernetes.io': withClaims({ 'kubernetes.io': undefined }),
  'base, serviceaccount.uid of nobody': withClaims({
    'kubernetes.io': { ...kubernetes, serviceaccount: { name: 'prometheus', uid: 'nobody' } },
  }),
  '200 KB of padding claims': withClaims({ padding: 'x'.repeat(200_000) }),
  'a fourth part': `${withHeader({})}.x`,
  'legacy (iss kubernetes/serviceaccount, kubernetes.io/serviceaccount/* claims) whose secret is gone':
    signedJwt(header, legacy, rsa.privateKey),
};

/** Rows that are answered otherwise here, and why. */
const differences: Readonly<Record<string, { readonly authenticated: boolean; readonly because: string }>> = {
  'base without exp': { authenticated: false, because: 'what never expires cannot be revoked here' },
  'base without aud': { authenticated: false, because: 'nobody said that it is for this server' },
  'base, sub of another account': { authenticated: false, because: 'its claims contradict each other' },
  '200 KB of padding claims': { authenticated: false, because: 'no header can bring it' },
  'base, serviceaccount.uid of nobody': { authenticated: true, because: 'only the server can know the uid' },
};

describe('every recorded service-account token', () => {
  const authenticator = serviceAccountAuthenticator({
    keys: staticKeySet([rsa.verificationKey, ec.verificationKey]),
    issuers: [issuer],
    audiences: [issuer],
  });

  it.each(rows)('$token', async ({ token: name, authenticated }) => {
    const token = tokens[name];
    if (token === undefined) expect.fail('nobody makes this token');
    const answer = await authenticator.authenticate({ headers: { authorization: [`Bearer ${token}`] } });
    const expected = differences[name]?.authenticated ?? authenticated;
    expect(answer.kind).toBe(expected ? 'authenticated' : 'refused');
  });

  it('is made, and differs only where it is said to', () => {
    expect(Object.keys(tokens).sort()).toEqual(rows.map(({ token }) => token).sort());
    for (const [name, { authenticated }] of Object.entries(differences)) {
      expect(rows.find(({ token }) => token === name)?.authenticated).toBe(!authenticated);
    }
  });

  it('out of a Secret is accepted where its issuer is named: only the server knows the Secret', async () => {
    const accepting = serviceAccountAuthenticator({
      keys: staticKeySet([rsa.verificationKey]),
      issuers: [issuer, 'kubernetes/serviceaccount'],
      audiences: [issuer],
    });
    const authorization = [`Bearer ${signedJwt(header, legacy, rsa.privateKey)}`];
    expect(await accepting.authenticate({ headers: { authorization } })).toMatchObject({
      kind: 'authenticated',
      identity: { name: base.sub },
    });
  });
});
