import fc from 'fast-check';
import {
  Counter,
  Gauge,
  Histogram,
  Registry,
  Summary,
  type Metric,
  type RegistryContentType,
} from 'prom-client';
import type { AnyRegistry } from './rendered.js';
import { anyCharacter } from '../../../support/any-character.js';

const labelNames = ['a', 'b_c', '_d'];

const oddText = fc.oneof(
  fc.string({ unit: anyCharacter }),
  fc.string({
    unit: fc.constantFrom('\\', '"', '\n', '\r', '{', '}', ',', '=', '#', ' ', 'é', '\u{1f600}', '\ud800'),
  }),
);
const labelValue = fc.oneof(
  oddText,
  fc.double(),
  fc.integer(),
  fc.constantFrom<unknown>(undefined, null, true),
);
const labels = fc.dictionary(fc.constantFrom(...labelNames), labelValue, { noNullPrototype: true });
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const anyNumber = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity, -0, 1e21, 5e-324));
const positive = fc.oneof(fc.nat(), fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }));
const exemplarLabels = fc.dictionary(
  fc.constantFrom('trace', 'span'),
  fc.string({ unit: anyCharacter, maxLength: 9 }),
  { noNullPrototype: true },
);
const observations = fc.array(fc.record({ labels, value: finite, exemplarLabels }), { maxLength: 6 });
const increments = fc.array(fc.record({ labels, value: positive, exemplarLabels }), { maxLength: 6 });
const sets = fc.array(fc.record({ labels, value: anyNumber }), { maxLength: 6 });
const help = oddText.filter((text) => text !== '');
const withoutLabels = fc.boolean();

/** Puts one metric of a name into a registry. */
type MetricMaker = (name: string, registry: AnyRegistry) => void;

interface AnyLabels {
  readonly labels: object;
}

// Label values of any type are what a JavaScript caller may pass.
const asLabels = ({ labels: given }: AnyLabels, isWithout: boolean): Record<string, string> =>
  isWithout ? {} : (given as Record<string, string>);

const counter: fc.Arbitrary<MetricMaker> = fc
  .record({ help, increments, withoutLabels, isTotal: fc.boolean(), enableExemplars: fc.boolean() })
  .map((given) => (name, registry) => {
    const metric = new Counter<string>({
      name: given.isTotal ? `${name}_total` : name,
      help: given.help,
      labelNames: given.withoutLabels ? [] : labelNames,
      enableExemplars: given.enableExemplars,
      registers: [registry],
    });
    for (const step of given.increments) {
      const own = asLabels(step, given.withoutLabels);
      if (given.enableExemplars) {
        metric.inc({ labels: own, value: step.value, exemplarLabels: step.exemplarLabels });
      } else metric.inc(own, step.value);
    }
  });

const gauge: fc.Arbitrary<MetricMaker> = fc
  .record({ help, sets, withoutLabels, isCollected: fc.boolean() })
  .map((given) => (name, registry) => {
    const setAll = (metric: Gauge): void => {
      for (const step of given.sets) metric.set(asLabels(step, given.withoutLabels), step.value);
    };
    const metric = new Gauge<string>({
      name,
      help: given.help,
      labelNames: given.withoutLabels ? [] : labelNames,
      registers: [registry],
      ...(given.isCollected
        ? {
            async collect() {
              await Promise.resolve();
              setAll(this);
            },
          }
        : {}),
    });
    if (!given.isCollected) setAll(metric);
  });

const histogram: fc.Arbitrary<MetricMaker> = fc
  .record({
    help,
    observations,
    withoutLabels,
    enableExemplars: fc.boolean(),
    buckets: fc.uniqueArray(finite, { maxLength: 4 }).map((bounds) => bounds.sort((a, b) => a - b)),
  })
  .map((given) => (name, registry) => {
    const metric = new Histogram<string>({
      name,
      help: given.help,
      buckets: given.buckets,
      labelNames: given.withoutLabels ? [] : labelNames,
      enableExemplars: given.enableExemplars,
      registers: [registry],
    });
    for (const step of given.observations) {
      const own = asLabels(step, given.withoutLabels);
      if (given.enableExemplars) {
        metric.observe({ labels: own, value: step.value, exemplarLabels: step.exemplarLabels });
      } else metric.observe(own, step.value);
    }
  });

const summary: fc.Arbitrary<MetricMaker> = fc
  .record({ help, observations, withoutLabels })
  .map((given) => (name, registry) => {
    const metric = new Summary<string>({
      name,
      help: given.help,
      percentiles: [0.5, 0.99],
      labelNames: given.withoutLabels ? [] : labelNames,
      registers: [registry],
    });
    for (const step of given.observations) metric.observe(asLabels(step, given.withoutLabels), step.value);
  });

/** Somebody's own metric, of which nothing is known but its get(). */
const foreign: fc.Arbitrary<MetricMaker> = fc
  .record({
    help,
    type: fc.constantFrom('gauge', 'histogram', 'untyped'),
    values: fc.array(
      fc.record(
        {
          value: fc.oneof(anyNumber, fc.constantFrom<unknown>(undefined, null, '-5', 5n)),
          labels,
          sharedLabels: labels,
          metricName: fc.constantFrom('other', 'other_sum'),
          exemplar: fc.record({ labelSet: exemplarLabels, value: fc.double(), timestamp: finite }),
        },
        { requiredKeys: ['value'] },
      ),
      { maxLength: 5 },
    ),
  })
  .map((given) => (name, registry) => {
    const metric = { name, help: given.help, type: given.type };
    registry.registerMetric({
      ...metric,
      get: () => Promise.resolve({ ...metric, values: given.values }),
    } as unknown as Metric);
  });

/** Registries with every kind of metric, every odd character and every odd number. */
export const generatedRegistry: fc.Arbitrary<AnyRegistry> = fc
  .record({
    makers: fc.array(fc.oneof(counter, gauge, histogram, summary, foreign), { minLength: 1, maxLength: 6 }),
    defaultLabels: fc.dictionary(fc.constantFrom('a', 'b_c', 'le', 'quantile', 'zone'), labelValue, {
      noNullPrototype: true,
    }),
    hasDefaultLabels: fc.boolean(),
  })
  .map(({ makers, defaultLabels, hasDefaultLabels }) => {
    // Metrics with exemplars can be made in an OpenMetrics registry alone.
    const registry = new Registry<RegistryContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    if (hasDefaultLabels) registry.setDefaultLabels(defaultLabels);
    for (const [index, make] of makers.entries()) make(`metric_${index}`, registry);
    return registry;
  });
