import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { describe, expect, it, vi } from 'vitest';
import { InflightWatermark } from '../../../src/telemetry/api-server/request-metrics.js';
import { FastHistogram } from '../../../src/telemetry/metric-table.js';

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

describe('the watermark of requests in flight', () => {
  it('remembers for a second what a scrape has missed', () => {
    const watermark = new InflightWatermark();
    for (const now of [5000, 5001, 5002]) watermark.rise(now);
    for (const now of [5003, 5004, 5005]) watermark.fall(now);
    expect(watermark.peak(5006)).toBe(3);
    expect(watermark.peak(6100)).toBe(3);
    expect(watermark.peak(8200)).toBe(0);
  });

  it('holds what is still there, however long ago it came', () => {
    const watermark = new InflightWatermark();
    watermark.rise(100);
    watermark.rise(100);
    watermark.fall(200);
    expect(watermark.peak(60_000)).toBe(1);
    expect(watermark.peak(61_500)).toBe(1);
  });

  it('is that of the second before until a new one has passed', () => {
    const watermark = new InflightWatermark();
    watermark.rise(1000);
    watermark.rise(1000);
    watermark.fall(1500);
    watermark.fall(1500);
    watermark.rise(2100);
    expect(watermark.peak(2200)).toBe(2);
    watermark.fall(3200);
    expect(watermark.peak(3200)).toBe(1);
  });
});
