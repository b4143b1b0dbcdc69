import { describe, expect, it } from 'vitest';
import { InflightWatermark } from '../../../src/telemetry/api-server/request-metrics.js';

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
