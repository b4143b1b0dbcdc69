import { Counter, Gauge, Histogram, Registry, Summary, type RegistryContentType } from 'prom-client';
import { describe, expect, it } from 'vitest';
import {
  RegistriesError,
  registriesExposition,
  type CollectorFailure,
} from '../../src/exposition/registries.js';

const scrape = { accept: '' };

type AnyRegistry = Registry<RegistryContentType>;

function openMetricsRegistry(): AnyRegistry {
  const registry: AnyRegistry = new Registry<RegistryContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

function fill(registry: AnyRegistry): AnyRegistry {
  const registers = [registry];
  new Counter({ name: 'requests_total', help: 'Requests.\nAll.', labelNames: ['path'], registers }).inc(
    { path: '/a"\\' },
    2,
  );
  new Gauge({ name: 'temperature', help: 'Degrees.', registers }).set(-1.5);
  new Histogram({ name: 'seconds', help: 'Seconds.', buckets: [0.1, 1], registers }).observe(0.5);
  new Summary({ name: 'sizes', help: 'Bytes.', percentiles: [0.5], registers }).observe(10);
  return registry;
}

describe('the exposition of registries', () => {
  it.each([
    ['the text format', () => new Registry<RegistryContentType>()],
    ['OpenMetrics', openMetricsRegistry],
  ])('is, for one registry in %s, what prom-client writes', async (_name, make) => {
    const registry = fill(make());
    const { body, contentType } = await registriesExposition({ registries: [registry] }).render(scrape);
    expect(body).toBe(await registry.metrics());
    expect(contentType).toBe(registry.contentType);
  });

  it('joins several registries, with one end of file', async () => {
    const make = (name: string): AnyRegistry => {
      const registry = openMetricsRegistry();
      new Gauge({ name, help: 'h', registers: [registry] }).set(1);
      return registry;
    };
    const { body } = await registriesExposition({ registries: [make('a'), make('b')] }).render(scrape);
    expect(body).toBe('# HELP a h\n# TYPE a gauge\na 1\n# HELP b h\n# TYPE b gauge\nb 1\n# EOF\n');
  });

  it('leaves out a collector that fails and a name that stands twice, says so, and serves the rest', async () => {
    const [one, two] = [new Registry(), new Registry()];
    new Gauge({
      name: 'broken',
      help: 'h',
      registers: [one],
      collect() {
        throw new Error('no database');
      },
    });
    new Gauge({ name: 'fine', help: 'h', registers: [one] }).set(1);
    new Gauge({ name: 'fine', help: 'h', registers: [two] }).set(2);
    const failures: CollectorFailure[] = [];
    const exposition = registriesExposition({
      registries: [one, two],
      onFailure: (failure) => failures.push(failure),
    });
    expect((await exposition.render(scrape)).body).toBe('# HELP fine h\n# TYPE fine gauge\nfine 1\n');
    expect(failures.map(({ metric, cause }) => `${metric} ${cause}`)).toEqual([
      'fine duplicate-name',
      'broken collect-failed',
    ]);
  });

  it('is refused without a registry, or with two content types', () => {
    expect(() => registriesExposition({ registries: [] })).toThrow(RegistriesError);
    const mixed = [new Registry(), openMetricsRegistry()];
    expect(() => registriesExposition({ registries: mixed })).toThrow('one content type');
  });
});
