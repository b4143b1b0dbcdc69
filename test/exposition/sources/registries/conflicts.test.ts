import { Counter, Gauge, Histogram, Registry, Summary, type Metric } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { MetricConflictError } from '../../../../src/exposition/exposition-errors.js';
import { registriesExposition } from '../../../../src/exposition/sources/registries-exposition.js';
import { acceptOpenMetrics, acceptText, scrapeOnce } from './rendered.js';

function gaugeWith(labelSets: readonly Record<string, string>[], help = 'h'): Registry {
  const registry = new Registry();
  const labelNames = [...new Set(labelSets.flatMap((labels) => Object.keys(labels)))];
  const gauge = new Gauge({ name: 'm', help, labelNames, registers: [registry] });
  for (const [index, labels] of labelSets.entries()) gauge.set(labels, index);
  return registry;
}

function histogramWith(path: string): Registry {
  const registry = new Registry();
  new Histogram({ name: 'm', help: 'h', labelNames: ['path'], buckets: [1], registers: [registry] }).observe(
    { path },
    2,
  );
  return registry;
}

/** The same histogram as a metric of which only the values are known. */
function foreignHistogramWith(path: string): Registry {
  const registry = new Registry();
  const [metric] = histogramWith(path).getMetricsAsArray();
  registry.registerMetric({
    name: 'm',
    get: () => (metric as unknown as Histogram).get(),
  } as unknown as Metric);
  return registry;
}

/** A registry with metrics, as `Counter name`, and their names. */
function made(metrics: readonly string[]): readonly [readonly string[], Registry] {
  const registry = new Registry();
  const classes = { Counter, Gauge, Histogram, Summary };
  const names = metrics.map((metric) => {
    const [type = '', name = ''] = metric.split(' ');
    const Class = classes[type as keyof typeof classes];
    new Class({ name, help: 'h', registers: [registry] });
    return name;
  });
  return [names, registry];
}

describe('metrics of one name in several registries', () => {
  it('stand under one header where help and type agree', async () => {
    const registries = [gaugeWith([{ a: '1' }]), gaugeWith([{ a: '2' }, { b: '1' }])];
    expect(await scrapeOnce({ registries })).toEqual({
      text: '# HELP m h\n# TYPE m gauge\nm{a="1"} 0\nm{a="2"} 0\nm{b="1"} 1\n',
      failures: [],
    });
  });

  it('are told apart by the default labels of their registries', async () => {
    const registries = ['one', 'two'].map((shard) => {
      const registry = gaugeWith([{}]);
      registry.setDefaultLabels({ shard });
      return registry;
    });
    const { text, failures } = await scrapeOnce({ registries });
    expect(text).toContain('m{shard="one"} 0\nm{shard="two"} 0\n');
    expect(failures).toEqual([]);
  });

  it.each([
    ['another help', gaugeWith([{}]), gaugeWith([{}], 'other'), 'm duplicate-name'],
    ['another type', gaugeWith([{}]), histogramWith('/'), 'm duplicate-name'],
    ['the same series', gaugeWith([{ a: '1' }]), gaugeWith([{ a: '1' }]), 'm duplicate-series'],
    [
      'the same series, its labels in another order',
      gaugeWith([{ a: '1', b: '2' }]),
      gaugeWith([{ b: '2', a: '1' }]),
      'm duplicate-series',
    ],
    ['the same series with an empty label', gaugeWith([{}]), gaugeWith([{ a: '' }]), 'm duplicate-series'],
    ['a histogram of the same series', histogramWith('/'), histogramWith('/'), 'm duplicate-series'],
    [
      'the same series from a metric of its own kind',
      histogramWith('/'),
      foreignHistogramWith('/'),
      'm duplicate-series',
    ],
  ])('are left out by choice from the second on where it has %s', async (_what, first, second, failure) => {
    const { text, failures } = await scrapeOnce({ registries: [first, second], onConflict: 'leave-out' });
    expect(text).toBe(await first.metrics());
    expect(failures).toEqual([failure]);
  });

  it('lose the series alone that stand there already', async () => {
    const registries = [gaugeWith([{ a: '1' }]), gaugeWith([{ a: '1' }, { a: '2' }])];
    const { text } = await scrapeOnce({ registries, onConflict: 'leave-out' });
    expect(text).toBe('# HELP m h\n# TYPE m gauge\nm{a="1"} 0\nm{a="2"} 1\n');
  });

  it.each([
    ['a gauge and a counter', 'Counter m_total', 'Gauge m'],
    ['two counters', 'Counter m_total', 'Counter m'],
    ['a counter and a gauge of its name', 'Counter m', 'Gauge m_total'],
    ['a gauge of when a counter began', 'Counter m_total', 'Gauge m_created'],
    ['a gauge of when a histogram began', 'Histogram m', 'Gauge m_created'],
  ])('are served as text where in it alone a suffix tells them apart: %s', async (_what, ...metrics) => {
    const [, registry] = made(metrics);
    for (const onConflict of ['fail', 'leave-out'] as const) {
      const options = { registries: [registry], onConflict };
      const inText = await scrapeOnce(options, acceptText);
      expect(inText.failures).toEqual([]);
      for (const accept of [acceptOpenMetrics, `${acceptOpenMetrics},text/plain;version=0.0.4;q=0.3`]) {
        expect(await scrapeOnce(options, accept)).toEqual(inText);
        const exposition = registriesExposition({ ...options, openMetrics: true });
        expect((await exposition.render({ accept })).contentType).toContain('text/plain');
      }
    }
  });

  it.each([
    ['Histogram m', 'Gauge m_sum'],
    ['Histogram m', 'Gauge m_count'],
    ['Histogram m', 'Counter m_bucket'],
    ['Summary m', 'Gauge m_sum'],
    ['Summary m', 'Counter m_count'],
    ['Histogram m', 'Summary m_sum'],
  ])('conflict where samples of one are called as the other: %s and %s', async (...metrics) => {
    for (const given of [metrics, metrics.toReversed()]) {
      const [[first, second], registry] = made(given);
      for (const accept of [acceptText, acceptOpenMetrics]) {
        const { text, failures } = await scrapeOnce(
          { registries: [registry], onConflict: 'leave-out' },
          accept,
        );
        expect(failures).toEqual([`${second} duplicate-name`]);
        expect(text).not.toContain(`# TYPE ${second} `);
        await expect(scrapeOnce({ registries: [registry] }, accept)).rejects.toMatchObject({
          code: 'ERR_METRIC_CONFLICT',
          metric: second,
          other: first,
        });
      }
    }
  });

  it.each([
    ['Gauge m', 'Gauge m_sum'],
    ['Gauge m', 'Counter m_count_total'],
    ['Summary m', 'Gauge m_bucket'],
    ['Histogram m', 'Gauge m_sum_'],
  ])('do not where they only look like it: %s and %s', async (...metrics) => {
    const [, registry] = made(metrics);
    for (const accept of [acceptText, acceptOpenMetrics]) {
      expect((await scrapeOnce({ registries: [registry] }, accept)).failures).toEqual([]);
    }
  });

  it.each([
    ['another help', gaugeWith([{}], 'other'), 'metric m is registered twice, with another help or type'],
    ['the same series', gaugeWith([{ a: '0' }]), 'metric m has a series twice, with the same labels'],
  ])('fail the scrape where the second has %s', async (_what, second, message) => {
    const first = gaugeWith(Array.from({ length: 10_000 }, (_, index) => ({ a: String(index) })));
    const failures: string[] = [];
    const exposition = registriesExposition({
      registries: [first, second],
      onFailure: ({ cause }) => failures.push(cause),
    });
    const error: unknown = await exposition.render({ accept: '' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MetricConflictError);
    expect(error).toMatchObject({ code: 'ERR_METRIC_CONFLICT', metric: 'm', message });
    expect(failures).toHaveLength(1);
  });
});
