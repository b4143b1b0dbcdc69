import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { delegatingControlPlane, type DelegatingControlPlane } from './delegating-control-plane.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { secondsFromNow, signingKeyOf, signToken, tokenIssuer } from './signed-tokens.js';

/** The server remembers what it said of a token for 10 s. */
const settles = { timeout: 60_000, interval: 100 };

onControlPlane(kubeApiserver, 'scrapers whom the API server is asked about', (start) => {
  let delegating: DelegatingControlPlane;
  let asking: readonly string[];
  beforeAll(async () => {
    delegating = await delegatingControlPlane(await start());
    const { kubeconfig } = delegating;
    asking = [
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      `--api-audiences=${tokenIssuer}`,
      '--authentication-token-webhook-cache-ttl=3s',
      '--authorization-webhook-cache-authorized-ttl=3s',
      '--authorization-webhook-cache-unauthorized-ttl=3s',
    ];
  });

  describe('with the policy at hand', () => {
    let filter: FilterUnderTest;
    beforeAll(async () => {
      filter = await FilterUnderTest.start(delegating.kubeconfig, asking);
      await filter.inStep();
    });
    afterAll(() => filter.stop());

    it('asks once who has a token, and never what the policy grants them', async () => {
      const { accounts, prometheus, reviews } = delegating;
      const token = await accounts.requestToken(prometheus);
      const before = [await reviews('tokenreviews'), await reviews('subjectaccessreviews')] as const;
      const scrapes = Array.from({ length: 20 }, () => filter.statusForToken(token));
      expect(new Set(await Promise.all(scrapes))).toEqual(new Set([200]));
      expect(await reviews('tokenreviews')).toBe(before[0] + 1);
      expect(await reviews('subjectaccessreviews')).toBe(before[1]);
    });

    it('asks what somebody may whom the policy grants nothing', async () => {
      const { accounts, stranger, reviews } = delegating;
      const token = await accounts.requestToken(stranger);
      const before = await reviews('subjectaccessreviews');
      expect(await filter.statusForToken(token)).toBe(403);
      expect(await filter.statusForToken(token)).toBe(403);
      expect(await reviews('subjectaccessreviews')).toBe(before + 1);
    });

    it('asks nobody about paths that everybody may see', async () => {
      const { accounts, stranger, reviews } = delegating;
      const token = await accounts.requestToken(stranger);
      const before = await reviews('tokenreviews');
      expect(await filter.statusForToken(token, '/healthz')).toBe(200);
      expect(await reviews('tokenreviews')).toBe(before);
    });

    it.each(
      Object.entries<(all: DelegatingControlPlane) => Promise<string>>({
        'for somebody else': ({ accounts, prometheus }) =>
          accounts.requestToken(prometheus, { audiences: ['https://other.example'] }),
        'that has expired': ({ controlPlane, prometheus }) =>
          signToken(signingKeyOf(controlPlane), prometheus, { exp: secondsFromNow(-120) }),
        'whose account is another by now': ({ controlPlane, prometheus }) =>
          signToken(signingKeyOf(controlPlane), { ...prometheus, uid: 'another' }),
        'that is none': () => Promise.resolve('no-token'),
      }),
    )('refuses a token %s, and does not log it', async (_which, tokenOf) => {
      const token = await tokenOf(delegating);
      expect(await filter.statusForToken(token)).toBe(401);
      expect(filter.log()).not.toContain(token);
    });

    it('refuses tokens soon after their account, or their pod, is deleted', async () => {
      const { accounts, prometheus, grant } = delegating;
      const account = await accounts.create('monitoring', 'short-lived');
      await grant(account);
      const pod = await accounts.createPod(prometheus, 'prometheus-0');
      const tokens = [
        await accounts.requestToken(account),
        await accounts.requestToken(prometheus, { boundTo: pod }),
      ];
      const statuses = () => Promise.all(tokens.map((token) => filter.statusForToken(token)));
      await expect.poll(statuses, settles).toEqual([200, 200]);
      await accounts.delete(account);
      await accounts.deleteBound(prometheus, pod);
      await expect.poll(statuses, settles).toEqual([401, 401]);
    });
  });

  describe('without any policy', () => {
    let filter: FilterUnderTest;
    beforeAll(async () => {
      filter = await FilterUnderTest.start(undefined, asking);
    });
    afterAll(() => filter.stop());

    it('lets those scrape whom the server lets, and asks once', async () => {
      const { accounts, prometheus, stranger, reviews } = delegating;
      const allowed = await accounts.requestToken(prometheus);
      const denied = await accounts.requestToken(stranger);
      const before = await reviews('subjectaccessreviews');
      for (const token of [allowed, allowed, denied, denied]) {
        expect(await filter.statusForToken(token)).toBe(token === allowed ? 200 : 403);
      }
      expect(await reviews('subjectaccessreviews')).toBe(before + 2);
    });

    it('soon hears of a grant, and of its end', async () => {
      const { accounts, stranger, grant, revoke } = delegating;
      const token = await accounts.requestToken(stranger);
      expect(await filter.statusForToken(token)).toBe(403);
      await grant(stranger);
      await expect.poll(() => filter.statusForToken(token), settles).toBe(200);
      await revoke(stranger);
      await expect.poll(() => filter.statusForToken(token), settles).toBe(403);
    });
  });

  it('asks a webhook at its URL itself, as an API server is one, too', async () => {
    const { accounts, controlPlane, prometheus, stranger } = delegating;
    const webhook = (name: string, basePath: string): string =>
      controlPlane.kubeconfigFor({
        user: { token: controlPlane.tokens.watcher },
        file: join(controlPlane.directory, `${name}.kubeconfig`),
        basePath,
      });
    const tokens = webhook('tokens', '/apis/authentication.k8s.io/v1/tokenreviews');
    const access = webhook('access', '/apis/authorization.k8s.io/v1/subjectaccessreviews');
    const filter = await FilterUnderTest.start(undefined, [
      `--authentication-token-webhook-config-file=${tokens}`,
      `--authorization-webhook-config-file=${access}`,
    ]);
    expect(await filter.statusForToken(await accounts.requestToken(prometheus))).toBe(200);
    expect(await filter.statusForToken(await accounts.requestToken(stranger))).toBe(403);
    expect(await filter.statusForToken('no-token')).toBe(401);
  });
});
