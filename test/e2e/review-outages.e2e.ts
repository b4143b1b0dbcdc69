import { beforeAll, expect, it } from 'vitest';
import { requestOnce } from '../support/raw-tls.js';
import type { ControlPlane } from './control-plane.js';
import { delegatingControlPlane, type DelegatingControlPlane } from './delegating-control-plane.js';
import { inWords, printFigure } from './figures.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { elapsed, own, Stopwatch, type Duration } from './stopwatch.js';

const settles = { timeout: 60_000, interval: 100 };

onControlPlane(kubeApiserver, 'scrapers whom nobody can be asked about', (start) => {
  let delegating: DelegatingControlPlane;
  beforeAll(async () => {
    delegating = await delegatingControlPlane(await start());
  });

  const startFilter = async (staleTtl: string): Promise<FilterUnderTest> => {
    const { kubeconfig } = delegating;
    const filter = await FilterUnderTest.start(undefined, [
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      '--authentication-token-webhook-cache-ttl=5m',
      '--authorization-webhook-cache-authorized-ttl=1s',
      '--authorization-webhook-cache-unauthorized-ttl=1s',
      `--authorization-webhook-stale-ttl=${staleTtl}`,
    ]);
    return filter;
  };

  const outages: readonly [string, (server: ControlPlane) => unknown, (server: ControlPlane) => unknown][] = [
    [
      'stands still',
      (server) => {
        server.pause();
      },
      (server) => {
        server.resume();
      },
    ],
    ['is dead', (server) => server.kill(), (server) => server.restart()],
  ];

  it.each(outages)(
    'goes on for those it knows while the server %s, and for nobody else',
    async (_state, begin, end) => {
      const { controlPlane, accounts, prometheus, stranger } = delegating;
      const filter = await startFilter('1m');
      const known = await accounts.requestToken(prometheus);
      const denied = await accounts.requestToken(stranger);
      const unseen = await accounts.requestToken(prometheus);
      expect(await filter.statusForToken(known)).toBe(200);
      expect(await filter.statusForToken(denied)).toBe(403);

      await begin(controlPlane);
      // What was denied is not denied for longer than it was said to be: it is unknown.
      await expect.poll(() => filter.statusForToken(denied), settles).toBe(500);
      const durations: Duration[] = [];
      for (let scrape = 0; scrape < 20; scrape += 1) {
        const stopwatch = new Stopwatch();
        expect(await filter.statusForToken(known)).toBe(200);
        durations.push(stopwatch.read());
      }
      // One that waits for an answer waits for 5 s.
      expect(own(durations).max).toBeLessThan(1_000);
      expect(await filter.statusForToken(unseen)).toBe(401);
      const answer = await requestOnce(await filter.connectionOf('prometheus'), '/metrics');
      expect(answer.status).toBe(500);
      expect(answer.body).not.toContain(new URL(controlPlane.url).host);
      printFigure(`${expect.getState().currentTestName ?? ''}: scrapes ${inWords(elapsed(durations))}`);

      await end(controlPlane);
      await expect.poll(() => filter.statusForToken(unseen), settles).toBe(200);
      await expect.poll(() => filter.statusForToken(denied), settles).toBe(403);
      for (const token of [known, denied, unseen]) expect(filter.log()).not.toContain(token);
    },
  );

  it('lets nobody in for longer than the server said, unless it is told to', async () => {
    const { controlPlane, accounts, prometheus } = delegating;
    const filter = await startFilter('0s');
    const token = await accounts.requestToken(prometheus);
    expect(await filter.statusForToken(token)).toBe(200);
    await controlPlane.kill();
    await expect.poll(() => filter.statusForToken(token), settles).toBe(500);
    await controlPlane.restart();
    await expect.poll(() => filter.statusForToken(token), settles).toBe(200);
  });

  it('hears after an outage of what was revoked', async () => {
    const { controlPlane, accounts, stranger, grant, revoke } = delegating;
    const filter = await startFilter('1m');
    await grant(stranger);
    const token = await accounts.requestToken(stranger);
    expect(await filter.statusForToken(token)).toBe(200);
    await controlPlane.kill();
    const isServedStale = async (): Promise<boolean> => {
      expect(await filter.statusForToken(token)).toBe(200);
      const metrics = await filter.metrics();
      return metrics.sum('kcp_metrics_filter_authorization_webhook_cache_total', { status: 'stale' }) > 0;
    };
    await expect.poll(isServedStale, settles).toBe(true);
    await controlPlane.restart();
    await revoke(stranger);
    await expect.poll(() => filter.statusForToken(token), settles).toBe(403);
  });
});
