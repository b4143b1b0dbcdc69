import fc from 'fast-check';
import { Counter, Gauge, Histogram, Registry, Summary } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { aggregatedByPromClient, linesOf, openExposition, PortWorkers, textOf } from './in-process.js';

const workers = new PortWorkers();
afterEach(() => {
  workers.close();
});

const aggregators = ['sum', 'first', 'min', 'max', 'average', 'omit'] as const;

/** The same metrics in every worker, as the same program has them. */
const metrics = fc.array(
  fc.record({
    type: fc.constantFrom('counter', 'gauge', 'histogram', 'summary'),
    aggregator: fc.constantFrom(...aggregators),
    labelNames: fc.constantFrom([], ['a'], ['b', 'a']),
  }),
  { minLength: 1, maxLength: 5 },
);

const labelValue = fc.constantFrom('x', 'y', 'quoted "\\"', 'two\nlines', 'é=","');
const steps = fc.array(
  fc.record({
    metric: fc.nat(4),
    a: labelValue,
    b: labelValue,
    isReversed: fc.boolean(),
    value: fc.oneof(fc.nat(1000), fc.double({ noNaN: true, min: 0, max: 1e9 })),
  }),
  { maxLength: 12 },
);
const defaultLabels = fc.constantFrom<Record<string, string>>({}, { zone: 'z' }, { a: 'default', zone: 'z' });

type Metrics = readonly {
  readonly type: string;
  readonly aggregator: (typeof aggregators)[number];
  readonly labelNames: readonly string[];
}[];
type Steps = readonly {
  readonly metric: number;
  readonly a: string;
  readonly b: string;
  readonly isReversed: boolean;
  readonly value: number;
}[];

function registryOf(described: Metrics, taken: Steps, labels: Record<string, string>): Registry {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  const made = described.map(({ type, aggregator, labelNames }, index) => {
    const common = {
      name: `metric_${index}`,
      help: `Help ${index}.`,
      labelNames: [...labelNames],
      registers: [registry],
    };
    const configuration = { ...common, aggregator };
    switch (type) {
      case 'counter': {
        const counter = new Counter<string>(configuration);
        return (own: Record<string, string>, value: number) => {
          counter.inc(own, value);
        };
      }
      case 'gauge': {
        const gauge = new Gauge<string>(configuration);
        return (own: Record<string, string>, value: number) => {
          gauge.set(own, value - 500);
        };
      }
      case 'histogram': {
        const histogram = new Histogram<string>({ ...configuration, buckets: [1, 100] });
        return (own: Record<string, string>, value: number) => {
          histogram.observe(own, value);
        };
      }
      default: {
        const summary = new Summary<string>({ ...configuration, percentiles: [0.5] });
        return (own: Record<string, string>, value: number) => {
          summary.observe(own, value);
        };
      }
    }
  });
  for (const { metric, a, b, isReversed, value } of taken) {
    const at = metric % made.length;
    const all: Record<string, string> = { a, b };
    const names = [...(described[at]?.labelNames ?? [])];
    if (isReversed) names.reverse();
    made[at]?.(Object.fromEntries(names.map((name) => [name, all[name] ?? ''])), value);
  }
  return registry;
}

describe('the exposition of several workers', () => {
  it('has the lines that prom-client prints for the same registries', async () => {
    await fc.assert(
      fc.asyncProperty(
        metrics,
        fc.array(steps, { minLength: 1, maxLength: 4 }),
        defaultLabels,
        async (described, runs, labels) => {
          const registries = runs.map((run) => registryOf(described, run, labels));
          const [own, ...others] = registries;
          const exposition = await openExposition({
            registries: own === undefined ? [] : [own],
            workers: others.map((registry) => workers.worker([registry])),
          });
          const text = await textOf(exposition);
          exposition.close();
          workers.close();
          expect(linesOf(text)).toEqual(linesOf(await aggregatedByPromClient(registries)));
        },
      ),
      { numRuns: 150 },
    );
  });
});
