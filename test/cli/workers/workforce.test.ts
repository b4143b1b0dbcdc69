import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PolicyBroadcast } from '../../../src/cli/workers/policy-broadcast.js';
import { Workforce } from '../../../src/cli/workers/workforce.js';
import { RenderingLimit } from '../../../src/exposition/delivery/rendering-limit.js';
import { WorkerMetrics } from '../../../src/telemetry/server-metrics.js';

const soon = { timeout: 10_000, interval: 10 };
const exec = fileURLToPath(new URL('obedient-worker.mjs', import.meta.url));

let workforce: Workforce;
let logged: string[];
beforeEach(() => {
  cluster.setupPrimary({ exec, args: [], execArgv: [], serialization: 'advanced', cwd: process.cwd() });
  logged = [];
  const log = (_fields: object, message: string): void => {
    logged.push(message);
  };
  const state = {
    policy: undefined,
    broadcast: new PolicyBroadcast(),
    limit: new RenderingLimit(),
    values: {},
    expositions: new Map(),
  };
  workforce = new Workforce(
    state,
    { debug: log, info: log, warn: log, error: log },
    new WorkerMetrics(new Registry()),
  );
});
afterEach(async () => {
  cluster.setupPrimary({ exec, cwd: process.cwd() });
  await workforce.drain(0);
  expect(workers()).toEqual([]);
});

function workers(): readonly NonNullable<typeof cluster.workers>[string][] {
  return Object.values(cluster.workers ?? {});
}

function killOne(): void {
  workers()[0]?.process.kill('SIGKILL');
}

describe('a workforce', () => {
  it.each([
    ['says so later', '/nowhere/at/all'],
    ['throws', 'not\0a directory'],
  ])(
    'goes on where the system has no process for a worker that is to be replaced, and %s',
    async (_how, cwd) => {
      await workforce.start(2);
      cluster.setupPrimary({ cwd });
      killOne();
      await vi.waitFor(() => {
        expect(logged).toContain('a worker ended, since its process could not be started; it is replaced');
      }, soon);
      cluster.setupPrimary({ cwd: process.cwd() });
      await vi.waitFor(() => {
        expect(workers()).toHaveLength(2);
      }, soon);
    },
  );

  it('goes on where a worker is killed while it is sent something', async () => {
    await workforce.start(2);
    const [worker] = workers();
    killOne();
    // As the cluster does with a connection: without anybody who is told that it did not arrive.
    for (const until = performance.now() + 100; performance.now() < until;);
    worker?.send({});
    await vi.waitFor(() => {
      expect(logged).toEqual(['a worker ended, by SIGKILL; it is replaced']);
      expect(workers()).toHaveLength(2);
    }, soon);
  });

  it('starts no more workers once it has been asked to stop, and ends at once', async () => {
    const starting = workforce.start(4);
    const forked = vi.fn();
    cluster.on('fork', forked);
    await workforce.drain(0);
    await starting.catch(() => undefined);
    cluster.off('fork', forked);
    expect(forked.mock.calls.length).toBeLessThanOrEqual(1);
  });
});
