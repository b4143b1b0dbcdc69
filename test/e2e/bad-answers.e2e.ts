import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { ControlPlane } from './control-plane.js';
import { startFaultProxy, type FaultProxy, type StatusFault } from './fault-proxy.js';
import { printFigure } from './figures.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import { expectCaughtUp, expectUnharmed, ScrapedFilter, ScrapeGrants } from './scraped-filter.js';
import { startSwallowingProxy, type SwallowingProxy } from './swallowing-proxy.js';

const watches = 'kcp_metrics_filter_policy_watches_total';
const requests = 'rest_client_requests_total';
const stormSeconds = 5;

onControlPlane(kubeApiserver, 'the policy while its API server answers badly', (start) => {
  let controlPlane: ControlPlane;
  let grants: ScrapeGrants;
  let faults: FaultProxy;
  /** Before the other: what can break off connections. */
  let connections: SwallowingProxy;
  let scraped: ScrapedFilter;
  beforeAll(async () => {
    controlPlane = await start();
    grants = new ScrapeGrants(controlPlane);
    await grantPolicyReader(controlPlane, 'watcher');
  });
  beforeEach(async () => {
    await grants.reset();
    faults = await startFaultProxy(controlPlane);
    connections = await startSwallowingProxy({ url: faults.origin });
    const kubeconfig = controlPlane.kubeconfigFor({
      // The fault proxy passes no client certificates on.
      user: { token: controlPlane.tokens.watcher },
      file: join(controlPlane.directory, 'policy-reader.kubeconfig'),
      through: { origin: connections.origin, certificateAuthority: faults.certificateAuthority },
    });
    scraped = await ScrapedFilter.start(kubeconfig);
  });
  afterEach(async () => {
    await scraped.stop();
    await connections.close();
    await faults.close();
  });

  it.each<[string, string, Omit<StatusFault, 'kind'>]>([
    ['429 with Retry-After', 'throttled', { status: 429, retryAfterSeconds: 2 }],
    ['500', 'status', { status: 500 }],
    ['503', 'status', { status: 503 }],
    ['503 with Retry-After', 'status', { status: 503, retryAfterSeconds: 2 }],
  ])('is the last one in a storm of %s', async (name, result, fault) => {
    const { filter } = scraped;
    faults.set({ kind: 'status', ...fault });
    connections.set({ kind: 'cut' });
    connections.set({ kind: 'pass' });
    await filter.stale();
    await grants.change();
    await setTimeout(stormSeconds * 1_000);
    const { refused } = faults.counts;
    faults.set(undefined);
    await expectCaughtUp(scraped, await filter.inStep());
    await expectUnharmed(scraped);
    expect(refused).toBeGreaterThanOrEqual(2);
    // Two kinds of objects are asked for.
    const { retryAfterSeconds = 1 } = fault;
    expect(refused).toBeLessThan(retryAfterSeconds === 1 ? 40 : 2 * (stormSeconds / retryAfterSeconds + 2));
    const metrics = await filter.metrics();
    expect(metrics.sum(watches, { result })).toBeGreaterThan(0);
    expect(metrics.sum(requests, { code: String(fault.status) })).toBe(refused);
    printFigure(`a storm of ${name} for ${stormSeconds} s: asked ${refused} times`);
  });

  it.each(['truncate', 'garbage'] as const)(
    'follows changes when every watch is damaged (%s)',
    async (kind) => {
      const { filter } = scraped;
      faults.set({ kind });
      await grants.change();
      await scraped.scrapes.first('revoked', 403);
      await scraped.scrapes.first('granted', 200);
      expect((await filter.metrics()).sum(watches, { result: 'malformed' })).toBeGreaterThan(0);
      faults.set(undefined);
      await expectCaughtUp(scraped, await filter.inStep());
      await expectUnharmed(scraped);
    },
  );
});
