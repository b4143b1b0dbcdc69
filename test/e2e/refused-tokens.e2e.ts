import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requestOnce } from '../support/raw-tls.js';
import { delegatingControlPlane, type DelegatingControlPlane } from './delegating-control-plane.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import {
  newSigningKey,
  secondsFromNow,
  signingKeyOf,
  signToken,
  tokenIssuer,
  type Claims,
} from './signed-tokens.js';

interface LoggedRefusal {
  readonly authenticator: string;
  readonly reason: string;
}

onControlPlane(kubeApiserver, 'a token that is refused', (start) => {
  let delegating: DelegatingControlPlane;
  let filter: FilterUnderTest;
  beforeAll(async () => {
    delegating = await delegatingControlPlane(await start());
    const { controlPlane, kubeconfig } = delegating;
    const file = (name: string): string => join(controlPlane.directory, name);
    filter = await FilterUnderTest.start(kubeconfig, [
      `--token-auth-file=${file('tokens.csv')}`,
      `--service-account-key-file=${file('service-account.pub')}`,
      `--service-account-issuer=${tokenIssuer}`,
      `--authentication-kubeconfig=${kubeconfig}`,
    ]);
    await filter.inStep();
  });
  afterAll(() => filter.stop());

  const signed = (claims: Claims): Promise<string> =>
    signToken(signingKeyOf(delegating.controlPlane), delegating.prometheus, claims);
  /** What the operator reads of a request. */
  const refusalsOf = (auditId: string | undefined): readonly LoggedRefusal[] | undefined =>
    filter
      .log()
      .split('\n')
      .filter((line) => line.includes('"unauthenticated"'))
      .map((line) => JSON.parse(line) as { auditId: string; refusals: readonly LoggedRefusal[] })
      .find((line) => line.auditId === auditId)?.refusals;

  // In Kubernetes' order; whoever has not issued it says no more than that.
  it.each<[string, () => Promise<string>, RegExp, RegExp]>([
    [
      'has expired',
      () => signed({ exp: 1_767_225_600 }),
      /^expired at 2026-01-01T00:00:00\.000Z$/,
      /^not authenticated: ".*service account token has expired/,
    ],
    [
      'is not valid yet',
      () => signed({ nbf: secondsFromNow(600) }),
      /^not valid before /,
      /^not authenticated: ".*service account token is not valid yet/,
    ],
    [
      'is for somebody else',
      () => signed({ aud: ['other'] }),
      /^audiences are not accepted: \["other"\]$/,
      /^not authenticated: ".*token audiences/,
    ],
    [
      'was signed by a key that nobody knows',
      () => signToken(newSigningKey(), delegating.prometheus),
      /^unknown key ID$/,
      /^not authenticated/,
    ],
    [
      'is of another issuer',
      () => signed({ iss: 'https://other.example' }),
      /^the token is of another issuer$/,
      /^not authenticated/,
    ],
    ['is no JWT', () => Promise.resolve('no-jwt'), /^the token is no JWT$/, /^not authenticated/],
  ])(
    'is 401 without a word to the client, and the log says why: it %s',
    async (_why, tokenOf, here, there) => {
      const token = await tokenOf();
      const headers = { Authorization: `Bearer ${token}` };
      const answer = await requestOnce({ port: filter.port }, '/metrics', { headers });
      expect(answer.status).toBe(401);
      expect(JSON.parse(answer.body)).toMatchObject({ message: 'Unauthorized', reason: 'Unauthorized' });
      await expect.poll(() => refusalsOf(answer.headers.get('audit-id'))).toBeDefined();
      expect(refusalsOf(answer.headers.get('audit-id'))).toEqual([
        { authenticator: 'token-file', reason: 'unknown token' },
        { authenticator: 'service-account', reason: expect.stringMatching(here) as string },
        { authenticator: 'token-review', reason: expect.stringMatching(there) as string },
      ]);
      expect(filter.log()).not.toContain(token);
    },
  );

  it('is asked about nowhere when it can be verified here', async () => {
    const { accounts, prometheus, reviews } = delegating;
    const before = await reviews('tokenreviews');
    expect(await filter.statusForToken(await accounts.requestToken(prometheus))).toBe(200);
    expect(await reviews('tokenreviews')).toBe(before);
  });
});
