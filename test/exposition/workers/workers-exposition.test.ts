import { Counter, Gauge, Histogram, Registry, Summary, type Metric } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { reportMetrics } from '../../../src/exposition/workers/report-metrics.js';
import {
  workersExposition,
  type WorkersExpositionOptions,
  type WorkersFailure,
} from '../../../src/exposition/workers/workers-exposition.js';
import { acceptOpenMetrics } from '../sources/registries/rendered.js';
import { messagesOnTheirWay, openExposition, PortWorkers, textOf } from './in-process.js';
import { WorkersError } from '../../../src/exposition/exposition-errors.js';

const workers = new PortWorkers();
afterEach(() => {
  workers.close();
});

function counting(value: number, name = 'c_total'): Registry {
  const registry = new Registry();
  new Counter({ name, help: 'h', registers: [registry] }).inc(value);
  return registry;
}

/** Causes of failures, in the order in which they were told. */
function recorded(): { readonly causes: string[]; readonly onFailure: (failure: WorkersFailure) => void } {
  const causes: string[] = [];
  return {
    causes,
    onFailure: (failure) =>
      causes.push(
        failure.kind === 'worker'
          ? `${failure.cause}, ${failure.served}`
          : `${failure.metric} ${failure.cause}`,
      ),
  };
}

describe('workersExposition', () => {
  it('adds up its own registries and those of workers, also of one that comes later', async () => {
    const exposition = await openExposition({
      registries: [counting(1)],
      workers: [workers.worker([counting(20)])],
    });
    expect(await textOf(exposition)).toBe('# HELP c_total h\n# TYPE c_total counter\nc_total 21\n');
    exposition.follow(workers.worker([counting(300)]));
    await messagesOnTheirWay();
    expect(await textOf(exposition)).toContain('\nc_total 321\n');
    exposition.close();
    expect(await textOf(exposition)).toContain('\nc_total 1\n');
  });

  it('leaves out a metric that is called as samples of another worker’s', async () => {
    const [own, other] = [new Registry(), new Registry()];
    new Histogram({ name: 'lat', help: 'h', buckets: [1], registers: [own] }).observe(2);
    new Gauge({ name: 'lat_sum', help: 'h', registers: [other] }).set(5);
    const { causes, onFailure } = recorded();
    const exposition = await openExposition({
      registries: [own],
      workers: [workers.worker([other])],
      onFailure,
    });
    expect((await textOf(exposition)).match(/^lat_sum.*$/gm)).toEqual(['lat_sum 2']);
    expect(causes).toEqual(['lat_sum duplicate-name']);
  });

  it('gives the text format where names contradict each other in OpenMetrics alone', async () => {
    const registry = counting(1, 'jobs_total');
    new Gauge({ name: 'jobs', help: 'h', registers: [registry] }).set(5);
    const { causes, onFailure } = recorded();
    const exposition = await openExposition({ registries: [registry], openMetrics: true, onFailure });
    const text = await textOf(exposition, `${acceptOpenMetrics},*/*;q=0.1`);
    expect(text).toContain('# TYPE jobs_total counter\njobs_total 1\n');
    expect([text.includes('jobs 5\n'), text.includes('# EOF'), causes]).toEqual([true, false, []]);
  });

  it('takes workers whose labels stand in another order for the same series', async () => {
    const inOrder = (names: readonly string[]): Registry => {
      const registry = new Registry();
      const labelNames = ['verb', 'code'];
      const counter = new Counter({ name: 'c', help: 'h', labelNames, registers: [registry] });
      counter.inc(Object.fromEntries(names.map((name) => [name, `"${name}",\\`])));
      return registry;
    };
    const exposition = await openExposition({
      workers: [workers.worker([inOrder(['verb', 'code'])]), workers.worker([inOrder(['code', 'verb'])])],
    });
    expect(await textOf(exposition)).toBe(
      '# HELP c h\n# TYPE c counter\nc{verb="\\"verb\\",\\\\",code="\\"code\\",\\\\"} 2\n',
    );
  });

  it('speaks OpenMetrics where it is told to, and keeps odd numbers', async () => {
    const registry = new Registry();
    const gauge = new Gauge({ name: 'g', help: 'h', labelNames: ['a'], registers: [registry] });
    for (const [a, value] of Object.entries({ nan: NaN, inf: Infinity, neg: -Infinity }))
      gauge.set({ a }, value);
    new Counter({ name: 'c_total', help: 'h', registers: [registry] }).inc(2);
    const exposition = await openExposition({ workers: [workers.worker([registry])], openMetrics: true });
    expect(exposition.contentType({ accept: acceptOpenMetrics })).toMatch(/^application\/openmetrics-text;/);
    expect(await textOf(exposition, acceptOpenMetrics)).toBe(
      `# HELP g h
# TYPE g gauge
g{a="nan"} Nan
g{a="inf"} +Inf
g{a="neg"} -Inf
# HELP c h
# TYPE c counter
c_total 2
# EOF
`,
    );
  });

  it('keeps groups apart', async () => {
    const { port1, port2 } = workers.pair();
    reportMetrics({ registries: [counting(1, 'a')], channel: port2 });
    reportMetrics({ registries: [counting(1, 'b')], channel: port2, group: 'other' });
    const first = await openExposition({ workers: [port1] });
    const second = await openExposition({ workers: [port1], group: 'other' });
    expect(await textOf(first)).toBe('# HELP a h\n# TYPE a counter\na 1\n');
    expect(await textOf(second)).toBe('# HELP b h\n# TYPE b counter\nb 1\n');
  });

  it('leaves a metric out whose collector fails or hangs, in a worker as in the process itself', async () => {
    const registry = counting(1);
    const failing = (name: string, collect: () => Promise<void> | void): void => {
      new Gauge({ name, help: 'h', registers: [registry], collect });
    };
    failing('fails', () => {
      throw new Error('secret-token');
    });
    failing('hangs', () => new Promise(() => undefined));
    const own = recorded();
    const ofWorker: string[] = [];
    const { port1, port2 } = workers.pair();
    reportMetrics({
      registries: [registry],
      channel: port2,
      collectorTimeoutMs: 20,
      onFailure: ({ metric, cause }) => {
        ofWorker.push(`${metric} ${cause}`);
        throw new Error('a listener of the user');
      },
    });
    const exposition = await openExposition({
      registries: [registry],
      workers: [port1],
      timeoutMs: 200,
      onFailure: own.onFailure,
    });
    expect(await textOf(exposition)).toBe('# HELP c_total h\n# TYPE c_total counter\nc_total 2\n');
    expect(ofWorker.sort()).toEqual(['fails collect-failed', 'hangs collect-timeout']);
    expect(own.causes.sort()).toEqual(['fails collect-failed', 'hangs collect-timeout']);
  });

  it('leaves a metric out whose aggregator nobody knows', async () => {
    const { causes, onFailure } = recorded();
    const registry = new Registry();
    const metric = { name: 'odd', help: 'h', type: 'gauge', aggregator: 'median' };
    registry.registerMetric({
      ...metric,
      get: () => Promise.resolve({ ...metric, values: [] }),
    } as unknown as Metric);
    const exposition = await openExposition({ registries: [registry], onFailure });
    expect([await textOf(exposition), causes]).toEqual(['\n', ['odd collect-failed']]);
  });
});

describe('a worker that is gone', () => {
  function everything(): Registry {
    const registry = counting(7);
    new Gauge({ name: 'g', help: 'h', registers: [registry] }).set(5);
    new Histogram({ name: 'h', help: 'h', buckets: [1], registers: [registry] }).observe(3);
    new Summary({ name: 's', help: 'h', percentiles: [0.5], registers: [registry] }).observe(4);
    new Counter({ name: 'largest', help: 'h', aggregator: 'max', registers: [registry] }).inc(9);
    new Counter({ name: 'mean', help: 'h', aggregator: 'average', registers: [registry] }).inc(9);
    return registry;
  }
  const samples = (text: string): readonly string[] =>
    text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const counted = [
    'c_total 7',
    'h_bucket{le="1"} 0',
    'h_bucket{le="+Inf"} 1',
    'h_sum 3',
    'h_count 1',
    's_sum 4',
    's_count 1',
    'largest 9',
  ];

  it.each([
    ['keep', counted],
    ['drop', []],
  ] as const)('leaves what it has counted where that is asked for: %s', async (deadWorkers, expected) => {
    const port = workers.worker([everything()]);
    const exposition = await openExposition({ workers: [port], deadWorkers });
    const before = await textOf(exposition);
    expect(samples(before)).toContain('g 5');
    port.close();
    await messagesOnTheirWay();
    expect(samples(await textOf(exposition))).toEqual(expected);
    // Also when it has been added to those before it.
    await messagesOnTheirWay();
    expect(samples(await textOf(exposition))).toEqual(expected);
  });

  it('never makes a sum fall, however workers come and go', async () => {
    const exposition = await openExposition({ registries: [counting(1)] });
    let before = 0;
    for (let generation = 1; generation <= 20; generation += 1) {
      const port = workers.worker([counting(generation)]);
      exposition.follow(port);
      await messagesOnTheirWay();
      const [, alive = '0'] = /\nc_total (\d+)\n/.exec(await textOf(exposition)) ?? [];
      expect(Number(alive)).toBe(before === 0 ? 1 + generation : before + generation);
      const dying = textOf(exposition);
      port.close();
      const [, dead = '0'] = /\nc_total (\d+)\n/.exec(await dying) ?? [];
      expect(dead).toBe(alive);
      before = Number(alive);
    }
  });
});

describe('a worker that does not answer', () => {
  const here = { protocol: 'kcp-metrics-filter/metrics/1', group: 'metrics', kind: 'here', reporter: 'r' };

  it('is left out where it has never answered, and stood in for where it has', async () => {
    const { causes, onFailure } = recorded();
    const { port1, port2 } = workers.pair();
    const exposition = workersExposition({ workers: [port1], timeoutMs: 20, onFailure });
    port2.postMessage(here);
    await messagesOnTheirWay();
    expect(await textOf(exposition)).toBe('\n');
    const reporting = reportMetrics({ registries: [counting(3)], channel: port2 });
    await messagesOnTheirWay();
    expect(await textOf(exposition)).toContain('\nc_total 3\n');
    reporting.close();
    expect(await textOf(exposition)).toContain('\nc_total 3\n');
    expect(causes).toEqual(['timeout, left-out', 'timeout, last-known']);
  });

  it('keeps nobody waiting longer than the scraper waits', async () => {
    const { causes, onFailure } = recorded();
    const { port1, port2 } = workers.pair();
    const exposition = workersExposition({ workers: [port1], timeoutMs: 600_000, onFailure });
    port2.postMessage(here);
    await messagesOnTheirWay();
    await exposition.render({ accept: '', timeoutSeconds: 0.05 });
    expect(causes).toEqual(['timeout, left-out']);
  });

  it('leaves no gaps in what others get who ask at the same time and wait longer', async () => {
    const registry = new Registry();
    let collect: () => void = () => undefined;
    const collected = new Promise<void>((resolve) => (collect = resolve));
    new Counter({ name: 'slow', help: 'h', registers: [registry], collect: () => collected }).inc(7);
    const exposition = await openExposition({ workers: [workers.worker([registry])] });
    const hurried = exposition.render({ accept: '', timeoutSeconds: 0.01 });
    const patient = textOf(exposition);
    await hurried;
    collect();
    expect(await patient).toContain('\nslow 7\n');
  });

  it('and has never said that it reports is not waited for', async () => {
    const { port1 } = workers.pair();
    const exposition = workersExposition({ registries: [counting(1)], workers: [port1], timeoutMs: 600_000 });
    expect(await textOf(exposition)).toContain('\nc_total 1\n');
  });

  it('as it should is not believed', async () => {
    const { causes, onFailure } = recorded();
    const { port1, port2 } = workers.pair();
    const exposition = workersExposition({ workers: [port1], maxSamplesPerWorker: 2, onFailure });
    port2.postMessage(here);
    const family = { name: 'c', help: 'h', type: 'counter', aggregator: 'sum', samples: ['c'], values: [1] };
    const answers = [
      { families: [{ ...family, samples: ['c 1\nmallory'] }] },
      { families: [{ ...family, name: 'c 1\nmallory' }] },
      { families: [{ ...family, values: [] }] },
      { families: [{ ...family, values: ['1'] }] },
      { families: [{ ...family, type: 'counter\nmallory' }] },
      { families: [{ ...family, aggregator: 'constructor' }] },
      { families: [null] },
      { families: [family, family, family] },
    ];
    port2.on('message', ({ kind, request }: { kind: string; request: number }) => {
      if (kind !== 'ask') return;
      port2.postMessage({ ...here, kind: 'part', request, isLast: true, ...answers.shift() });
    });
    await messagesOnTheirWay();
    const texts = [];
    while (answers.length > 0) texts.push(await textOf(exposition));
    expect(new Set(texts)).toEqual(new Set(['\n']));
    expect(causes).toEqual([
      ...Array.from({ length: 7 }, () => 'malformed, left-out'),
      'too-large, left-out',
    ]);
  });
});

describe('options', () => {
  const registries = [new Registry()];
  it.each<readonly [string, () => unknown]>([
    ['registries', () => workersExposition({ registries: [{}] } as unknown as WorkersExpositionOptions)],
    ['deadWorkers', () => workersExposition({ deadWorkers: 'bury' } as unknown as WorkersExpositionOptions)],
    ['timeoutMs', () => workersExposition({ timeoutMs: 0 })],
    ['timeoutMs', () => workersExposition({ timeoutMs: Infinity })],
    ['maxSamplesPerWorker', () => workersExposition({ maxSamplesPerWorker: -1 })],
    ['group', () => workersExposition({ group: '' })],
    ['pass a worker', () => workersExposition({ workers: [{} as never] })],
    ['registries', () => reportMetrics({ registries: [] })],
    ['group', () => reportMetrics({ registries, group: 'x'.repeat(65), channel: workers.pair().port1 })],
    ['collectorTimeoutMs', () => reportMetrics({ registries, collectorTimeoutMs: NaN })],
    ['pass a worker', () => reportMetrics({ registries, channel: { on: () => 0, off: () => 0 } })],
  ])('are refused by name: %s', (name, call) => {
    expect(call).toThrow(WorkersError);
    expect(call).toThrow(new RegExp(`^${name}`));
  });
});
