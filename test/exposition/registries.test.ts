import { Counter, Gauge, Registry, type Metric, type RegistryContentType } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { RegistriesError } from '../../src/exposition/exposition-errors.js';
import { registriesExposition } from '../../src/exposition/sources/registries-exposition.js';
import {
  acceptOpenMetrics,
  acceptText,
  bytesOf,
  scrapeOnce,
  type AnyRegistry,
} from './sources/registries/rendered.js';

function gaugeOf(name: string, value: number): Registry {
  const registry = new Registry();
  new Gauge({ name, help: 'h', registers: [registry] }).set(value);
  return registry;
}

function openMetricsRegistry(): AnyRegistry {
  const registry = new Registry<RegistryContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

const textType = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores';
const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores';

describe('the exposition of registries', () => {
  it('joins several registries, each format in its own way', async () => {
    const registries = [gaugeOf('a', 1), gaugeOf('b', 2)];
    expect((await scrapeOnce({ registries }, acceptText)).text).toBe(
      '# HELP a h\n# TYPE a gauge\na 1\n\n# HELP b h\n# TYPE b gauge\nb 2\n',
    );
    expect((await scrapeOnce({ registries }, acceptOpenMetrics)).text).toBe(
      '# HELP a h\n# TYPE a gauge\na 1\n# HELP b h\n# TYPE b gauge\nb 2\n# EOF\n',
    );
  });

  it('comes whole where it is small', async () => {
    const { body } = await registriesExposition({ registries: [gaugeOf('a', 1)] }).render({ accept: '' });
    expect(body).toBeInstanceOf(Uint8Array);
  });

  it.each([
    ['registries set to text', () => new Registry(), undefined, textType],
    ['registries set to text, when told to', () => new Registry(), true, openMetricsType],
    ['registries set to OpenMetrics', openMetricsRegistry, undefined, openMetricsType],
    ['registries set to OpenMetrics, when told not to', openMetricsRegistry, false, textType],
  ])('offers OpenMetrics of %s', async (_registries, make, openMetrics, contentType) => {
    const exposition = registriesExposition({
      registries: [make()],
      ...(openMetrics === undefined ? {} : { openMetrics }),
    });
    const request = { accept: acceptOpenMetrics };
    expect(exposition.contentType(request)).toBe(contentType);
    expect((await exposition.render(request)).contentType).toBe(contentType);
    expect(exposition.contentType({ accept: '' })).toBe(textType);
  });

  it('leaves the names of counters as they are', async () => {
    const registry = new Registry();
    new Counter({ name: 'requests_total', help: 'h', registers: [registry] }).inc(2);
    const { text } = await scrapeOnce({ registries: [registry] }, acceptOpenMetrics);
    expect(text).toBe('# HELP requests h\n# TYPE requests counter\nrequests_total 2\n# EOF\n');
    expect(registry.getMetricsAsArray().map(({ name }) => name)).toEqual(['requests_total']);
  });

  it('writes nothing of metrics of other libraries that a scraper would refuse', async () => {
    const registry = new Registry();
    const foreign = (name: string, type: string, values: readonly object[]): void => {
      registry.registerMetric({
        name,
        get: () => Promise.resolve({ name, type, help: 'a "b"', values }),
      } as unknown as Metric);
    };
    foreign('a', 'untyped', [{ value: 1, labels: { b: ['"\n'] } }]);
    foreign('c_total', 'counter', [
      { value: 1, labels: {}, exemplar: { labelSet: { trace: 'x' }, value: 1 } },
      { value: 2, labels: { d: 'e' }, exemplar: { labelSet: {}, value: 1, timestamp: NaN } },
    ]);
    foreign('f', 'other', []);
    expect((await scrapeOnce({ registries: [registry] }, acceptOpenMetrics)).text).toBe(
      [
        '# HELP a a \\"b\\"',
        'a{b="\\"\\n"} 1',
        '# HELP c a \\"b\\"',
        '# TYPE c counter',
        'c_total 1',
        'c_total{d="e"} 2 # {} 1',
        '# HELP f a \\"b\\"',
        '# EOF',
        '',
      ].join('\n'),
    );
    const { text } = await scrapeOnce({ registries: [registry] }, acceptText);
    expect(text.match(/^# (?:HELP a|TYPE) .*/gm)).toEqual([
      '# HELP a a "b"',
      '# TYPE a untyped',
      '# TYPE c_total counter',
      '# TYPE f untyped',
    ]);
  });

  it('writes what is there when it is scraped, not when it was made', async () => {
    const registry = gaugeOf('a', 1);
    const exposition = registriesExposition({ registries: [registry] });
    new Gauge({ name: 'later', help: 'h', registers: [registry] });
    const { body } = await exposition.render({ accept: '' });
    expect((await bytesOf(body)).toString()).toContain('later 0\n');
  });

  it.each([
    ['no registry', { registries: [] }, 'registries: pass at least one'],
    [
      'what is no registry',
      { registries: [Object.create(Registry.prototype) as Registry] },
      'registries: pass registries of prom-client 15',
    ],
    ['a timeout of nothing', { registries: [new Registry()], collectorTimeoutMs: 0 }, 'collectorTimeoutMs'],
    [
      'an endless timeout',
      { registries: [new Registry()], collectorTimeoutMs: Infinity },
      'collectorTimeoutMs',
    ],
    ['another word', { registries: [new Registry()], onConflict: 'ignore' as 'fail' }, 'onConflict: pass'],
  ])('is refused with %s', (_what, options, message) => {
    expect(() => registriesExposition(options)).toThrow(RegistriesError);
    expect(() => registriesExposition(options)).toThrow(message);
  });
});
