import { execFileSync } from 'node:child_process';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startProcess, type StartedProcess } from '../support/started-server.js';
import { isPrometheusSkipped } from './binaries.js';
import { prometheusOfTest } from './ingested.js';
import { metricsOf } from './metrics.js';
import { tellGuard } from './orphans.js';
import { scrapeOnce } from './scrape-once.js';
import { servingPlace, type ServingPlace } from './serving-place.js';

const settles = { timeout: 60_000, interval: 100 };
const everyMs = 3_000;

async function filterWithWorkers(place: ServingPlace): Promise<StartedProcess> {
  const server = await startProcess(['--mode=shard', '--workers=2', ...place.flags]);
  tellGuard('started', server.pid);
  onTestFinished(async () => {
    await server.stop();
    tellGuard('exited', server.pid);
  });
  return server;
}

function workersOf({ pid }: StartedProcess): readonly number[] {
  const found = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return [...found.matchAll(/^\s*(\d+)$/gm)].map(([, worker]) => Number(worker));
}

describe.skipIf(isPrometheusSkipped)('Prometheus and a filter of two workers', () => {
  it('adds up what both counted, whichever answers', async () => {
    const place = await servingPlace();
    const server = await filterWithWorkers(place);
    const counted: number[] = [];
    // Each on a connection of its own: the workers get them in turn.
    for (let scrape = 0; scrape < 20; scrape += 1) {
      const { body } = await scrapeOnce(place, server.port);
      counted.push(metricsOf(body.toString()).sum('authentication_attempts', { result: 'success' }));
    }
    expect(counted).toEqual(counted.map((_, scrape) => scrape + 1));

    const prometheus = await prometheusOfTest(place, server.port, everyMs);
    await expect.poll(() => prometheus.valueOf('count_over_time(up[1m]) >= 5'), settles).toBeDefined();
    expect(await prometheus.valueOf('min_over_time(up[1m])')).toBe(1);
    const [ofScrapes, all] = await Promise.all([
      prometheus.valueOf('count_over_time(up[5m])'),
      prometheus.valueOf('authentication_attempts{result="success"}'),
    ]);
    // A scrape may have been counted and not be ingested yet.
    expect([all, (all ?? 0) + 1]).toContain(20 + (ofScrapes ?? 0));
    expect(await prometheus.complaints()).toEqual([]);
  });

  it('is scraped on, without a counter that goes back, while workers are killed', async () => {
    const place = await servingPlace();
    const server = await filterWithWorkers(place);
    const prometheus = await prometheusOfTest(place, server.port, everyMs);
    const scrapes = async (): Promise<number> => (await prometheus.valueOf('count_over_time(up[5m])')) ?? 0;
    await expect.poll(scrapes, settles).toBeGreaterThan(3);
    for (const which of [0, 1]) {
      const before = await scrapes();
      const workers = workersOf(server);
      expect(workers).toHaveLength(2);
      const victim = workers[which] ?? 0;
      process.kill(victim, 'SIGKILL');
      // Connections that it was given before anybody knew of its end are lost with it.
      await expect.poll(() => workersOf(server), settles).not.toContain(victim);
      const { status } = await scrapeOnce(place, server.port);
      expect(status).toBe(200);
      await expect.poll(scrapes, settles).toBeGreaterThan(before + 3);
      await expect.poll(() => workersOf(server).length, settles).toBe(2);
    }
    expect(await prometheus.valueOf('min_over_time(up[5m])')).toBe(1);
    expect(await prometheus.valueOf('max(resets(authentication_attempts{result="success"}[5m]))')).toBe(0);
    expect(await prometheus.valueOf('kcp_metrics_filter_worker_restarts_total')).toBe(2);
    expect(await prometheus.complaints()).toEqual([]);
  });
});
