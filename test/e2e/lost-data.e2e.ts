import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { ControlPlane } from './control-plane.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import {
  expectCaughtUp,
  expectSound,
  expectUnharmed,
  ScrapedFilter,
  ScrapeGrants,
} from './scraped-filter.js';
import { startSwallowingProxy, type SwallowingProxy } from './swallowing-proxy.js';

const watches = 'kcp_metrics_filter_policy_watches_total';

onControlPlane(kubeApiserver, 'the policy of a server that has lost its data', (start) => {
  let controlPlane: ControlPlane;
  let grants: ScrapeGrants;
  let proxy: SwallowingProxy;
  let scraped: ScrapedFilter | undefined;
  beforeAll(async () => {
    controlPlane = await start();
    grants = new ScrapeGrants(controlPlane);
  });
  beforeEach(async () => {
    await grantPolicyReader(controlPlane, 'policy-reader');
    await grants.reset();
    proxy = await startSwallowingProxy(controlPlane);
  });
  afterEach(async () => {
    await scraped?.stop();
    await proxy.close();
  });

  const startScraped = async (groups: readonly string[] = []): Promise<ScrapedFilter> => {
    const user = { certificate: await controlPlane.issueClient('policy-reader', groups) };
    const file = join(controlPlane.directory, 'policy-reader.kubeconfig');
    return ScrapedFilter.start(controlPlane.kubeconfigFor({ user, file, through: proxy }));
  };

  /** A change that grants nothing to anybody. Resolves to its resourceVersion. */
  const touch = (times: number): Promise<string> =>
    controlPlane.clusterRoleBindings.replace({
      name: 'touched',
      role: 'touched',
      subjects: [{ kind: 'User', name: `touched-${times}` }],
    });

  it('is the last one until it may be read again, and then the one that is there', async () => {
    scraped = await startScraped();
    const { filter, scrapes } = scraped;
    // With all the rest it loses the reader's own grant.
    await controlPlane.loseData();
    const refusals = async (): Promise<number> =>
      (await filter.metrics()).sum(watches, { result: 'refused' });
    await expect.poll(refusals, { timeout: 60_000 }).toBeGreaterThan(1);
    await expectUnharmed(scraped);
    expect(await filter.readiness()).toMatch(/^ok \(stale/);
    expect(filter.log()).toMatch(/out of step with the policy's source: .* 403 Forbidden/);

    await grants.reset();
    await grants.unbind('steady');
    await grants.change();
    await grantPolicyReader(controlPlane, 'policy-reader');
    const inStepAt = await filter.inStep();
    await expectCaughtUp(scraped, inStepAt);
    expect(scrapes.servedTo('steady', { from: inStepAt })).toEqual([]);
    await expectSound(scraped);
  });

  it('is the one that is there, also where as much has happened since as before', async () => {
    scraped = await startScraped();
    const { filter, scrapes } = scraped;
    // A resourceVersion that the filter knows, or a later one.
    const known = Number(await touch(0));
    proxy.set({ kind: 'cut' });
    await filter.stale();
    await controlPlane.loseData();
    await grantPolicyReader(controlPlane, 'policy-reader');
    await grants.reset();
    await grants.unbind('steady');
    await grants.change();
    for (let times = 0; Number(await touch(times)) < known + 10; times += 1);
    proxy.set({ kind: 'pass' });
    const inStepAt = await filter.inStep();
    await expectCaughtUp(scraped, inStepAt);
    expect(scrapes.servedTo('steady', { from: inStepAt })).toEqual([]);
    await expectSound(scraped);
  });

  it('grants nothing where there is nothing left, which is logged', async () => {
    // Else who reads it could not, without a binding.
    scraped = await startScraped(['system:masters']);
    const { filter, scrapes } = scraped;
    proxy.set({ kind: 'cut' });
    await filter.stale();
    await controlPlane.loseData();
    // Kubernetes makes those of its own again.
    await controlPlane.request('DELETE', controlPlane.clusterRoleBindings.path);
    expect(await controlPlane.clusterRoleBindings.names()).toEqual([]);
    const lastAt = performance.now();
    await scrapes.first('steady', 200);
    proxy.set({ kind: 'pass' });
    const inStepAt = await filter.inStep();
    await scrapes.more();
    expect(scrapes.failuresOf('steady', { to: lastAt })).toEqual([]);
    expect(scrapes.servedTo('steady', { from: inStepAt })).toEqual([]);
    expect(scrapes.servedTo('revoked', { from: inStepAt })).toEqual([]);
    expect(filter.log()).toMatch(/lists no ClusterRoleBinding, where it listed \d+ before/);
    await expectSound(scraped);
  });
});
