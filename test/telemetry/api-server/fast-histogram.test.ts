import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { describe, expect, it, vi } from 'vitest';
import { FastHistogram } from '../../../src/telemetry/api-server/request-metrics.js';

const buckets = [0.5, 1, 2.5, 10];
const labelSets = [
  { verb: 'GET', resource: 'pods' },
  { verb: 'LIST', resource: 'pods' },
  { verb: 'GET', resource: '' },
  // Another object for labels that are there already.
  { verb: 'GET', resource: 'pods' },
];

function histogramIn(registry: Registry): Histogram<'verb' | 'resource'> {
  const labelNames = ['verb', 'resource'] as const;
  return new Histogram({ name: 'seconds', help: 'x', labelNames, buckets, registers: [registry] });
}

describe('a histogram that remembers its series', () => {
  it('says what prom-client says of the same observations, resets between them or not', async () => {
    const observation = fc.record({
      at: fc.nat({ max: labelSets.length - 1 }),
      value: fc.oneof(fc.constantFrom(0, ...buckets, 11), fc.double({ min: -1, max: 20, noNaN: true })),
      isReset: fc.constantFrom(false, false, false, true),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(observation), async (observations) => {
        const [plain, fast] = [new Registry(), new Registry()];
        const [slowly, quickly] = [histogramIn(plain), new FastHistogram(histogramIn(fast), buckets)];
        for (const { at, value, isReset } of observations) {
          if (isReset) for (const registry of [plain, fast]) registry.resetMetrics();
          const labels = labelSets[at] ?? { verb: '', resource: '' };
          slowly.observe(labels, value);
          quickly.observe(labels, value);
        }
        expect(await fast.metrics()).toBe(await plain.metrics());
      }),
    );
  });

  it.each([
    ['at another place', { hashMap: undefined }],
    ['in another shape', { hashMap: { 'verb:GET': { labels: { verb: 'GET' }, total: 1 } } }],
    ['as nothing', { hashMap: null }],
  ])('asks a prom-client that keeps them %s to observe by itself', (_, kept) => {
    const observe = vi.fn();
    const histogram = { ...kept, observe } as unknown as Histogram<'verb'>;
    const fast = new FastHistogram(histogram, buckets);
    const labels = { verb: 'GET' };
    for (let times = 0; times < 3; times += 1) fast.observe(labels, 1);
    expect(observe).toHaveBeenCalledTimes(3);
  });
});
