import fc from 'fast-check';
import { Registry, Summary } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { generatedRegistry } from './generated-registry.js';
import { acceptOpenMetrics, acceptText, scrapeOnce, type AnyRegistry } from './rendered.js';

async function promClient(registry: AnyRegistry, contentType: AnyRegistry['contentType']): Promise<string> {
  registry.setContentType(contentType);
  return Buffer.from(await registry.metrics()).toString();
}

/**
 * OpenMetrics wants quotation marks in HELP escaped, and knows no `untyped`: prom-client writes neither so. Its `unknown` is
 * what no TYPE means, and an exemplar of a series without labels is what VictoriaMetrics reads as part of its name.
 */
function asScrapersReadIt(openMetrics: string): string {
  return openMetrics
    .replace(/(?:^|\n)# HELP [^\n]*/g, (line) => line.replace(/"/g, '\\"'))
    .replace(/\n# TYPE \S+ untyped(?=\n)/g, '')
    .replace(/(\n[^\s#{]+ \S+) # \{[^\n]*/g, '$1');
}

describe('the exposition of any registry', () => {
  it('is what prom-client writes, byte for byte but for HELP, TYPE and exemplars without labels, in both formats and whatever the registry is set to', async () => {
    await fc.assert(
      fc.asyncProperty(generatedRegistry, async (registry) => {
        const nothing: readonly string[] = [];
        const text = await scrapeOnce({ registries: [registry] }, acceptText);
        const openMetrics = await scrapeOnce({ registries: [registry] }, acceptOpenMetrics);
        expect(text).toEqual({
          text: await promClient(registry, Registry.PROMETHEUS_CONTENT_TYPE),
          failures: nothing,
        });
        expect(openMetrics).toEqual({
          text: asScrapersReadIt(await promClient(registry, Registry.OPENMETRICS_CONTENT_TYPE)),
          failures: nothing,
        });
        // prom-client takes suffixes off its counters' names when it writes OpenMetrics; here they stay.
        expect(await scrapeOnce({ registries: [registry] }, acceptText)).toEqual(text);
        expect(await scrapeOnce({ registries: [registry] }, acceptOpenMetrics)).toEqual(openMetrics);
      }),
      { numRuns: 300 },
    );
  });

  it('is, where there is no metric, an empty line or an end of file', async () => {
    const registries = [new Registry()];
    expect((await scrapeOnce({ registries })).text).toBe(await new Registry().metrics());
    // prom-client writes an empty line before the end, which no OpenMetrics parser takes.
    expect((await scrapeOnce({ registries }, acceptOpenMetrics)).text).toBe('# EOF\n');
  });

  it('forgets the series of a summary that have aged out, where it was made to', async () => {
    const make = (): Registry => {
      const registry = new Registry();
      const summary = new Summary({
        name: 's',
        help: 'h',
        labelNames: ['a'],
        percentiles: [0.5],
        maxAgeSeconds: 600,
        ageBuckets: 2,
        pruneAgedBuckets: true,
        registers: [registry],
      });
      summary.observe({ a: 'gone' }, 1);
      summary.reset();
      summary.observe({ a: 'here' }, 2);
      return registry;
    };
    const registry = make();
    const { text } = await scrapeOnce({ registries: [registry] });
    expect(text).toBe(await make().metrics());
    expect(text).not.toContain('gone');
    expect(await registry.metrics()).toBe(text);
  });
});
