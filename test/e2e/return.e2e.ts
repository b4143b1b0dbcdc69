import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import type { ControlPlane } from './control-plane.js';
import { startFaultProxy, type FaultProxy } from './fault-proxy.js';
import { inWords, percentiles, printFigure } from './figures.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import { expectCaughtUp, expectUnharmed, ScrapedFilter, ScrapeGrants } from './scraped-filter.js';
import { elapsed, own, Stopwatch, type Duration } from './stopwatch.js';
import { startSwallowingProxy, type SwallowingProxy } from './swallowing-proxy.js';

/** More of them say more of a p99. */
const rounds = Number(process.env['E2E_ROUNDS'] ?? 1);
const goalMs = 2_000;
/** What a machine that is busy with something else may add to it. */
const boundMs = 5_000;

vi.setConfig({ testTimeout: 300_000 });

/** What stands between the filter and its server. */
interface Setting {
  readonly controlPlane: ControlPlane;
  readonly connections: SwallowingProxy;
  readonly faults: FaultProxy;
}

/** Begins an outage; resolves to what ends it, and whose end is the server's return. */
type Outage = (setting: Setting) => Promise<() => Promise<void> | void>;

const dead: Outage = async ({ controlPlane }) => {
  await controlPlane.kill();
  return () => controlPlane.restart();
};

onControlPlane(
  kubeApiserver,
  'from the return of an API server to the first 403 for what was revoked',
  (start) => {
    let setting: Setting;
    let grants: ScrapeGrants;
    let scraped: ScrapedFilter;
    beforeAll(async () => {
      const controlPlane = await start();
      grants = new ScrapeGrants(controlPlane);
      await grantPolicyReader(controlPlane, 'watcher');
      const faults = await startFaultProxy(controlPlane);
      setting = { controlPlane, faults, connections: await startSwallowingProxy({ url: faults.origin }) };
      return async () => {
        await setting.connections.close();
        await faults.close();
      };
    });
    beforeEach(() => grants.reset());
    afterEach(() => scraped.stop());

    const startScraped = async (outage: Outage): Promise<ScrapedFilter> => {
      const { controlPlane, connections, faults } = setting;
      const through = { origin: connections.origin, certificateAuthority: faults.certificateAuthority };
      return ScrapedFilter.start(
        controlPlane.kubeconfigFor({
          // The fault proxy passes no client certificates on.
          user: { token: controlPlane.tokens.watcher },
          file: join(controlPlane.directory, 'policy-reader.kubeconfig'),
          // A proxy would accept connections for a server that is dead.
          ...(outage === dead ? {} : { through }),
        }),
      );
    };

    const closing: Outage = ({ connections }) => {
      connections.set({ kind: 'cut' });
      return Promise.resolve(() => {
        connections.set({ kind: 'pass' });
      });
    };
    const hanging: Outage = async (between) => {
      await closing(between);
      await scraped.filter.stale();
      between.connections.set({ kind: 'swallow' });
      return () => {
        between.connections.set({ kind: 'pass' });
      };
    };
    const answering =
      (status: 429 | 503, retryAfterSeconds?: number): Outage =>
      async ({ connections, faults }) => {
        faults.set({
          kind: 'status',
          status,
          ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
        });
        connections.set({ kind: 'cut' });
        connections.set({ kind: 'pass' });
        return Promise.resolve(() => {
          faults.set(undefined);
        });
      };
    /** What was known has expired by its end. */
    const restarting: Outage = async (between) => {
      const end = await closing(between);
      return async () => {
        await between.controlPlane.compact();
        await end();
      };
    };

    it.each<[string, number, Outage]>([
      ['a dead server', 1, dead],
      ['a dead server', 10, dead],
      ['closed connections', 1, closing],
      ['closed connections', 10, closing],
      ['connections that hang', 10, hanging],
      ['503', 10, answering(503)],
      ['429', 10, answering(429)],
      ['429 with Retry-After', 10, answering(429, 1)],
      ['a restart that ends in 410', 10, restarting],
    ])('after %s for %i s', async (name, seconds, outage) => {
      scraped = await startScraped(outage);
      const { filter, scrapes } = scraped;
      const delays: Duration[] = [];
      const inStep: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const end = await outage(setting);
        await filter.stale();
        if (outage !== dead) await grants.change();
        await setTimeout(seconds * 1_000);
        await end();
        const returnedAt = performance.now();
        const stopwatch = new Stopwatch();
        if (outage === dead) await grants.change();
        const [{ answeredAt }, inStepAt] = await Promise.all([
          scrapes.first('revoked', 403, returnedAt),
          filter.inStep(),
        ]);
        delays.push(stopwatch.read(answeredAt));
        inStep.push(inStepAt - returnedAt);
        await expectCaughtUp(scraped, inStepAt);
        await grants.reset();
        await scrapes.first('revoked', 200);
      }
      await expectUnharmed(scraped);
      const first = elapsed(delays);
      const goal = first.max < goalMs ? 'reached' : 'missed';
      printFigure(
        `${name} for ${seconds} s: to the first 403 ${inWords(first)}; the goal, ${goalMs} ms, is ${goal}; in step ${inWords(percentiles(inStep))}`,
      );
      expect(own(delays).max).toBeLessThan(boundMs);
    });
  },
);
