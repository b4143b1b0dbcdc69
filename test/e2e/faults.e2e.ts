import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startConnectionRecorder } from './connection-recorder.js';
import type { ControlPlane } from './control-plane.js';
import { inWords, printFigure } from './figures.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import { expectCaughtUp, expectUnharmed, ScrapedFilter, ScrapeGrants } from './scraped-filter.js';
import { startSwallowingProxy, type SwallowingProxy } from './swallowing-proxy.js';

const age = 'kcp_metrics_filter_policy_age_seconds';
const state = 'kcp_metrics_filter_policy_state';
const lists = 'kcp_metrics_filter_policy_lists_total';
const watches = 'kcp_metrics_filter_policy_watches_total';
const restarts = 'kcp_metrics_filter_policy_watch_restarts_total';
const requests = 'rest_client_requests_total';
const root = { layer: 'root' };

const outageSeconds = 10;
/** How long the API server stands still; less than 60 s is for a run in between. */
const pauseSeconds = Number(process.env['E2E_PAUSE_SECONDS'] ?? 60);
/** By when a connection that has gone silent is noticed: a watch promises to end within 60 s, and has 10 s of grace. */
const silenceSeconds = 70;

onControlPlane(kubeApiserver, 'the policy while its API server is at fault', (start) => {
  let controlPlane: ControlPlane;
  let grants: ScrapeGrants;
  let proxy: SwallowingProxy;
  const started: ScrapedFilter[] = [];
  beforeAll(async () => {
    controlPlane = await start();
    grants = new ScrapeGrants(controlPlane);
    await grantPolicyReader(controlPlane, 'policy-reader');
  });
  beforeEach(async () => {
    await grants.reset();
    proxy = await startSwallowingProxy(controlPlane);
  });
  afterEach(async () => {
    controlPlane.resume();
    for (const scraped of started.splice(0)) await scraped.stop();
    await proxy.close();
  });

  /** A filter that reads the policy directly, or through the proxy. */
  const startScraped = async (through?: { readonly origin: string }): Promise<ScrapedFilter> => {
    const kubeconfig = controlPlane.kubeconfigFor({
      user: { certificate: await controlPlane.issueClient('policy-reader') },
      file: join(controlPlane.directory, `policy-reader-${started.length}.kubeconfig`),
      ...(through === undefined ? {} : { through }),
    });
    const scraped = await ScrapedFilter.start(kubeconfig);
    started.push(scraped);
    return scraped;
  };

  it('is the last one while the server is dead, and the present one when it is back', async () => {
    const scraped = await startScraped();
    const { filter, scrapes } = scraped;
    const before = await filter.metrics();
    await controlPlane.kill();
    const staleAt = await filter.stale();
    const ages: number[] = [];
    const ageNow = async (): Promise<number> => {
      ages.push((await filter.metrics()).sum(age, root));
      return ages.at(-1) ?? NaN;
    };
    await expect.poll(ageNow, { timeout: 60_000, interval: 500 }).toBeGreaterThan(outageSeconds);
    expect(ages).toEqual([...ages].sort((a, b) => a - b));
    const during = await filter.metrics();
    expect(during.sum(state, { ...root, state: 'stale' })).toBe(1);
    expect(during.sum(watches, { result: 'connection' })).toBeGreaterThanOrEqual(2);
    const failed = { code: '<error>' };
    const attempts = during.sum(requests, failed) - before.sum(requests, failed);
    expect(attempts).toBeGreaterThan(2);
    expect(attempts).toBeLessThan(60);
    // The others are probes, which restart nothing.
    expect(during.sum(restarts)).toBeGreaterThan(2);

    await controlPlane.restart();
    await grants.change();
    const inStepAt = await filter.inStep();
    // It may have been in step before the change.
    await scraped.scrapes.first('revoked', 403);
    const after = await filter.metrics();
    expect(after.sum(state, { ...root, state: 'synced' })).toBe(1);
    expect(after.sum(age, root)).toBe(0);
    await expectUnharmed(scraped);
    const took = inWords(scrapes.percentiles({ from: staleAt, to: inStepAt }));
    printFigure(`API server dead for ${outageSeconds} s: ${attempts} attempts to reach it; scrapes ${took}`);
  });

  it('has lost nothing of what was changed while it was cut off, time and again', async () => {
    const scraped = await startScraped(proxy);
    const { filter } = scraped;
    for (let round = 0; round < 5; round += 1) {
      proxy.set({ kind: 'cut' });
      await filter.stale();
      await grants.change();
      proxy.set({ kind: 'pass' });
      await expectCaughtUp(scraped, await filter.inStep());
      await grants.reset();
    }
    await expectUnharmed(scraped);
  });

  it('is asked for at random times, and not often, while the server cannot be reached', async () => {
    const recorder = await startConnectionRecorder(proxy.origin);
    try {
      const scraped = await startScraped(recorder);
      const from = performance.now();
      proxy.set({ kind: 'cut' });
      await setTimeout(outageSeconds * 1_000);
      const arrivals = recorder.arrivals.filter((at) => at > from);
      proxy.set({ kind: 'pass' });
      await scraped.filter.inStep();
      await expectUnharmed(scraped);
      expect(arrivals.length).toBeGreaterThan(2);
      expect(arrivals.length).toBeLessThan(60);
      const pauses = arrivals.slice(1).map((at, index) => Math.round(at - (arrivals[index] ?? 0)));
      expect(new Set(pauses).size).toBeGreaterThan(pauses.length / 2);
      printFigure(`API server out of reach for ${outageSeconds} s: asked for after ${pauses.join(', ')} ms`);
    } finally {
      await recorder.close();
    }
  });

  it('is listed anew when what was known has expired', async () => {
    const scraped = await startScraped(proxy);
    const { filter } = scraped;
    const listed = async (): Promise<number> => (await filter.metrics()).sum(lists, { result: 'success' });
    const before = await listed();
    proxy.set({ kind: 'cut' });
    await filter.stale();
    await grants.change();
    await controlPlane.compact();
    proxy.set({ kind: 'pass' });
    await expectCaughtUp(scraped, await filter.inStep());
    // Of both kinds.
    expect(await listed()).toBe(before + 2);
    await expectUnharmed(scraped);
  });

  it('is the last one while the server stands still, or is connected but silent, which is noticed', async () => {
    const direct = await startScraped();
    const halfOpen = await startScraped(proxy);
    proxy.set({ kind: 'swallow' });
    const silentAt = performance.now();
    await grants.change();
    await direct.scrapes.first('revoked', 403);
    const standStill = async (): Promise<void> => {
      controlPlane.pause();
      await setTimeout(pauseSeconds * 1_000);
      controlPlane.resume();
    };
    const [noticedAt] = await Promise.all([
      halfOpen.filter.stale((silenceSeconds + 20) * 1_000),
      standStill(),
    ]);
    expect((await halfOpen.filter.metrics()).sum(watches, { result: 'stalled' })).toBeGreaterThan(0);
    // A connection that has lost bytes stays mute.
    proxy.set({ kind: 'cut' });
    proxy.set({ kind: 'pass' });
    await expectCaughtUp(halfOpen, await halfOpen.filter.inStep());
    await direct.filter.inStep();
    await grants.bind('revoked');
    await direct.scrapes.first('revoked', 200);
    await expectUnharmed(direct);
    await expectUnharmed(halfOpen);
    printFigure(`a half-open connection was noticed after ${((noticedAt - silentAt) / 1_000).toFixed(1)} s`);
    printFigure(`API server still for ${pauseSeconds} s: scrapes ${inWords(direct.scrapes.percentiles())}`);
  });
});
