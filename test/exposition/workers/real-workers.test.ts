import { fork, type ChildProcess } from 'node:child_process';
import cluster, { type Worker as ClusterWorker } from 'node:cluster';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Worker as Thread } from 'node:worker_threads';
import { AggregatorRegistry, Counter, Registry } from 'prom-client';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  workersExposition,
  type WorkersExposition,
  type WorkersExpositionOptions,
} from '../../../src/exposition/workers/workers-exposition.js';
import { linesOf, textOf } from './in-process.js';
import { closedAtEnd } from '../../support/ending.js';

const file = fileURLToPath(new URL('reporting-worker.mjs', import.meta.url));

type AnyWorker = ClusterWorker | ChildProcess | Thread;
interface Order {
  readonly order: string;
  readonly [parameter: string]: unknown;
}

const running: AnyWorker[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map(kill));
});
beforeAll(() => {
  cluster.setupPrimary({ exec: file, execArgv: [] });
});

async function kill(worker: AnyWorker): Promise<void> {
  if (worker instanceof Thread) {
    await worker.terminate();
    return;
  }
  const child = 'process' in worker ? worker.process : worker;
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Resolves to what the worker says that it has done; not to what it says to others. */
function done(worker: AnyWorker, what: string): Promise<unknown> {
  return new Promise((resolve) => {
    const listener = (message: { readonly done?: string; readonly result?: unknown }): void => {
      if (message.done !== what) return;
      worker.off('message', listener);
      resolve(message.result);
    };
    worker.on('message', listener);
  });
}

function tell(worker: AnyWorker, order: Order): Promise<unknown> {
  const answer = done(worker, order.order);
  if (worker instanceof Thread) worker.postMessage(order);
  else worker.send(order);
  return answer;
}

const starts: Readonly<Record<string, () => AnyWorker>> = {
  'node:cluster': () => cluster.fork(),
  'node:worker_threads': () => new Thread(file),
  'node:child_process, with advanced serialization': () => fork(file, { serialization: 'advanced' }),
};

async function started(kind: string): Promise<AnyWorker> {
  const worker = starts[kind]?.();
  if (worker === undefined) throw new Error(kind);
  running.push(worker);
  await done(worker, 'start');
  return worker;
}

/** Follows workers, and waits until it has heard of each. */
async function following(
  workers: readonly AnyWorker[],
  options: WorkersExpositionOptions = {},
): Promise<WorkersExposition> {
  const exposition = closedAtEnd(workersExposition({ workers, ...options }));
  await Promise.all(workers.map((worker) => tell(worker, { order: 'nothing' })));
  return exposition;
}

function requests(text: string, verb = 'get'): number {
  return Number(new RegExp(`^requests_total\\{verb="${verb}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
}

describe.each(Object.keys(starts))('workers of %s', { timeout: 60_000 }, (kind) => {
  it('are scraped as one, with the process that is scraped', async () => {
    const registry = new Registry();
    const labelNames = ['verb'];
    const own = new Counter({ name: 'requests_total', help: 'Requests.', labelNames, registers: [registry] });
    own.inc({ verb: 'get' }, 300);
    const workers = [await started(kind), await started(kind)];
    const exposition = await following(workers, { registries: [registry] });
    for (const [index, worker] of workers.entries()) {
      await tell(worker, { order: 'count', verb: 'get', value: index + 1 });
    }
    expect(await textOf(exposition)).toBe(`# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{verb="get"} 303

# HELP largest Largest.
# TYPE largest gauge
largest 2

# HELP seconds Seconds.
# TYPE seconds histogram
seconds_bucket{le="1"} 1
seconds_bucket{le="2"} 2
seconds_bucket{le="+Inf"} 2
seconds_sum 3
seconds_count 2
`);
  });

  it('do not make a sum fall when one is killed, before a scrape or in the middle of one', async () => {
    const workers = [await started(kind), await started(kind), await started(kind)];
    const [first, second] = workers;
    if (first === undefined || second === undefined) throw new Error('no workers');
    const exposition = await following(workers);
    for (const worker of workers) await tell(worker, { order: 'count', verb: 'get', value: 5 });
    expect(requests(await textOf(exposition))).toBe(15);
    await kill(first);
    expect(requests(await textOf(exposition))).toBe(15);
    await tell(second, { order: 'count', verb: 'get', value: 5 });
    await tell(second, { order: 'grow' });
    const underWay = textOf(exposition);
    await once(second, 'message');
    await kill(second);
    const text = await underWay;
    expect(requests(text)).toBe(15);
    expect(text).not.toContain('large_');
    expect(text).toContain('\nlargest 5\n');
  });

  it('keep nobody waiting where one hangs: its last known values stand in', async () => {
    const workers = [await started(kind), await started(kind)];
    const [first, second] = workers;
    if (first === undefined || second === undefined) throw new Error('no workers');
    const failures: string[] = [];
    const exposition = await following(workers, {
      timeoutMs: 500,
      onFailure: (failure) => {
        if (failure.kind === 'worker') failures.push(`${failure.cause}, ${failure.served}`);
      },
    });
    for (const worker of workers) await tell(worker, { order: 'count', verb: 'get', value: 5 });
    expect(requests(await textOf(exposition))).toBe(10);
    expect(failures).toEqual([]);
    void tell(first, { order: 'hang', forMs: 3_600_000 });
    await tell(second, { order: 'count', verb: 'get', value: 1 });
    expect(requests(await textOf(exposition))).toBe(11);
    expect(failures).toEqual(['timeout, last-known']);
  });

  it('hold no event loop for long, with 100,000 series each', async () => {
    const workers = [await started(kind), await started(kind)];
    const exposition = await following(workers, { timeoutMs: 30_000 });
    for (const worker of workers) await tell(worker, { order: 'grow' });
    const longest: number[] = [];
    const text = await textOf(exposition);
    expect(text.match(/\nlarge_\d_total\{verb="LIST",resource="resource-\d+"\} \d+/g)?.length).toBe(100_000);
    expect(text).toContain('\nlarge_9_total{verb="LIST",resource="resource-9999"} 19998\n');
    // One run of several is enough: others may have the processors.
    do {
      for (const worker of workers) await tell(worker, { order: 'watch' });
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      await exposition.render({ accept: '' });
      delay.disable();
      const theirs = await Promise.all(workers.map((worker) => tell(worker, { order: 'longest' })));
      longest.push(Math.max(delay.max / 1e6, ...theirs.map(Number)));
    } while (Math.min(...longest) >= 60 && longest.length < 20);
    expect(Math.min(...longest)).toBeLessThan(60);
  });
});

describe('workers of node:cluster', () => {
  it('are found by themselves, those that are started later, too, and are counted as prom-client does', async () => {
    const early = await started('node:cluster');
    const exposition = closedAtEnd(workersExposition({ cluster }));
    const late = await started('node:cluster');
    for (const worker of [early, late]) {
      await tell(worker, { order: 'count', verb: 'get', value: 7 });
      await tell(worker, { order: 'count', verb: 'list', value: 0.5 });
    }
    // Both ask over the same channel at the same time, and neither takes the other's messages.
    const [text, expected] = await Promise.all([
      textOf(exposition),
      new AggregatorRegistry().clusterMetrics(),
    ]);
    expect(linesOf(text)).toEqual(linesOf(expected));
    expect(requests(text)).toBe(14);
  });
});
