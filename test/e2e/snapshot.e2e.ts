import { chmod, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { requestOnce, type RawAnswer } from '../support/raw-tls.js';
import type { ControlPlane } from './control-plane.js';
import { inWords, printFigure } from './figures.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import { Scrapes } from './scrapes.js';
import { Stopwatch } from './stopwatch.js';
import { startSwallowingProxy, type SwallowingProxy } from './swallowing-proxy.js';

const settles = { timeout: 60_000, interval: 20 };
const counter = 'kcp_metrics_filter_policy_snapshots_total';

onControlPlane(kubeApiserver, 'a policy that is kept over a restart', (start) => {
  let controlPlane: ControlPlane;
  let kubeconfig: string;
  /** Another way to the API server, and so another server to the filter. */
  let proxy: SwallowingProxy;
  let throughProxy: string;
  let snapshot: string;
  let snapshots = 0;

  beforeAll(async () => {
    controlPlane = await start();
    await grantPolicyReader(controlPlane, 'watcher');
    await controlPlane.clusterRoles.create({
      name: 'reader',
      rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }],
    });
    await bind('steady');
    kubeconfig = kubeconfigOf('direct');
  });
  afterAll(() => controlPlane.stop());
  beforeEach(async () => {
    // Should a test have left it dead.
    await controlPlane.request('GET', '/readyz').catch(() => controlPlane.restart());
    proxy = await startSwallowingProxy(controlPlane);
    throughProxy = kubeconfigOf('through-proxy', proxy);
    snapshots += 1;
    snapshot = join(controlPlane.directory, `policy-${snapshots}.snapshot`);
  });
  afterEach(() => proxy.close());

  const kubeconfigOf = (name: string, through?: SwallowingProxy): string =>
    controlPlane.kubeconfigFor({
      user: { token: controlPlane.tokens.watcher },
      file: join(controlPlane.directory, `${name}.kubeconfig`),
      ...(through === undefined ? {} : { through }),
    });
  const bind = (name: string): Promise<string> =>
    controlPlane.clusterRoleBindings.create({ name, role: 'reader', subjects: [{ kind: 'User', name }] });
  const startFilter = async (source: string, ...flags: readonly string[]): Promise<FilterUnderTest> => {
    const filter = await FilterUnderTest.start(source, [`--policy-snapshot=${snapshot}`, ...flags]);
    return filter;
  };
  /** Leaves the snapshot of a filter that was in step until it was stopped. */
  const takeSnapshot = async (source: string): Promise<void> => {
    const filter = await startFilter(source);
    await filter.inStep();
    await filter.stop();
  };
  const scrape = async (filter: FilterUnderTest, name: string): Promise<RawAnswer> =>
    requestOnce(await filter.connectionOf(name), '/metrics');
  const statusOf = async (filter: FilterUnderTest, name: string): Promise<number> =>
    (await scrape(filter, name)).status;

  it('is served at once while the API server is down, says that it is stale, and is followed again', async () => {
    await bind('revoked');
    await takeSnapshot(kubeconfig);
    await controlPlane.clusterRoleBindings.delete('revoked');
    await bind('granted');
    await controlPlane.kill();

    const spawnedAt = performance.now();
    const stopwatch = new Stopwatch();
    const filter = await startFilter(kubeconfig);
    const listeningAt = performance.now();
    expect(await statusOf(filter, 'steady')).toBe(200);
    const servedAt = performance.now();
    printFigure(
      `started from a snapshot: listening after ${Math.round(listeningAt - spawnedAt)} ms, first 200 after ${Math.round(servedAt - spawnedAt)} ms, ${Math.round(servedAt - listeningAt)} ms after listening`,
    );
    expect(stopwatch.read(servedAt).ownMs).toBeLessThan(5_000);
    // As it was known then.
    expect(await statusOf(filter, 'revoked')).toBe(200);
    expect(await statusOf(filter, 'granted')).toBe(403);
    expect(await filter.readiness()).toMatch(/^ok \(stale for \d+s: /);
    const metrics = await filter.metrics();
    expect(metrics.sum('kcp_metrics_filter_policy_state', { layer: 'root', state: 'stale' })).toBe(1);
    expect(metrics.sum('kcp_metrics_filter_policy_age_seconds', { layer: 'root' })).toBeGreaterThan(0);
    const restored = { operation: 'restore', result: 'success' };
    expect(metrics.sum(counter, restored)).toBe(1);
    expect(filter.log()).toContain(`${snapshot}: restored policy layer`);
    await expect.poll(() => filter.log(), settles).toMatch(/"source":"root",.*out of step .*ECONNREFUSED/);

    const scrapes = new Scrapes({
      port: filter.port,
      scrapers: new Map([['steady', await filter.connectionOf('steady')]]),
    });
    onTestFinished(() => scrapes.stop());
    await scrapes.more();
    await controlPlane.restart();
    await filter.inStep(60_000);
    expect(await statusOf(filter, 'revoked')).toBe(403);
    expect(await statusOf(filter, 'granted')).toBe(200);
    await scrapes.more();
    expect(scrapes.failuresOf('steady')).toEqual([]);
    printFigure(`until the API server was back: scrapes ${inWords(scrapes.percentiles())}`);
  });

  it.each([
    ['damaged', damage, 'is damaged'],
    ['cut short', (file: string) => truncate(file, 500), 'is truncated'],
    ['open to others', (file: string) => chmod(file, 0o644), 'is open to its group or to others'],
    ['of another server', () => takeSnapshot(kubeconfig), 'is not restored: it is from'],
  ])(
    'is refused when it is %s: nobody is served until the API server answers',
    async (_title, spoil, why) => {
      await takeSnapshot(throughProxy);
      await spoil(snapshot);
      proxy.set({ kind: 'cut' });

      const filter = await startFilter(throughProxy);
      const refused = await scrape(filter, 'steady');
      expect(refused.status).toBe(503);
      expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(await filter.readiness()).toBe('failed: not loaded yet');
      const line = filter
        .log()
        .split('\n')
        .find((candidate) => candidate.includes(snapshot));
      expect(line).toContain('"level":40,');
      expect(line).toContain(why);
      const restored = { operation: 'restore', result: 'refused' };
      expect((await filter.metrics()).sum(counter, restored)).toBe(1);

      proxy.set({ kind: 'pass' });
      await filter.inStep(60_000);
      expect(await statusOf(filter, 'steady')).toBe(200);
      expect(await statusOf(filter, 'mallory')).toBe(403);

      // What took its place is believed again.
      await filter.stop();
      proxy.set({ kind: 'cut' });
      expect(await statusOf(await startFilter(throughProxy), 'steady')).toBe(200);
    },
  );

  it('grows older while nothing runs: --max-policy-staleness counts over the restart', async () => {
    await takeSnapshot(throughProxy);
    const stoppedAt = performance.now();
    proxy.set({ kind: 'cut' });
    await setTimeout(3_000);

    const patient = await startFilter(throughProxy, '--max-policy-staleness=1h');
    expect(await statusOf(patient, 'steady')).toBe(200);
    const age = (await patient.metrics()).sum('kcp_metrics_filter_policy_age_seconds', { layer: 'root' });
    expect(age).toBeGreaterThanOrEqual(3);
    expect(age).toBeLessThan((performance.now() - stoppedAt) / 1_000 + 5);
    await patient.stop();

    const strict = await startFilter(throughProxy, '--max-policy-staleness=3s');
    expect(await statusOf(strict, 'steady')).toBe(503);
    expect(await strict.readiness()).toMatch(/^ok \(stale for \d+s: /);
    proxy.set({ kind: 'pass' });
    await strict.inStep(60_000);
    expect(await statusOf(strict, 'steady')).toBe(200);
  });
});

/** Another letter in the middle, which is inside an object. */
async function damage(file: string): Promise<void> {
  const bytes = await readFile(file);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(file, bytes);
}
