import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestBuckets, type RequestBucketsOptions } from '../../../src/request/limits/request-buckets.js';
import { RequestLimitError } from '../../../src/request/request-errors.js';

function setting(options: Omit<RequestBucketsOptions, 'now'>) {
  const clock = { now: 5000 };
  const buckets = new RequestBuckets({ ...options, now: () => clock.now });
  const passed = (key: string, times: number): number =>
    Array.from({ length: times }, () => buckets.take(key)).filter((wait) => wait === 0).length;
  return { clock, buckets, passed };
}

describe('buckets of requests', () => {
  it('let a key send its burst at once, then as much a second as it may', () => {
    const { clock, passed } = setting({ perSecond: 10, burst: 20 });
    expect(passed('a', 100)).toBe(20);
    clock.now += 1000;
    expect(passed('a', 100)).toBe(10);
    clock.now += 60_000;
    expect(passed('a', 100)).toBe(20);
  });

  it('hold twice as much as flows in a second, unless told otherwise', () => {
    expect(setting({ perSecond: 50 }).passed('a', 1000)).toBe(100);
    expect(setting({ perSecond: 0.1 }).passed('a', 1000)).toBe(1);
  });

  it('say how long it will be until the next may pass', () => {
    const { clock, buckets, passed } = setting({ perSecond: 0.5, burst: 1 });
    expect(passed('a', 1)).toBe(1);
    expect(buckets.take('a')).toBe(2000);
    clock.now += 1999;
    expect(buckets.take('a')).toBe(1);
    clock.now += 1;
    expect(buckets.take('a')).toBe(0);
  });

  it('may be charged more than they hold, which has to come again first, and given back', () => {
    const { clock, buckets, passed } = setting({ perSecond: 10, burst: 20, maxKeys: 2 });
    expect(buckets.waitFor('a')).toBe(0);
    buckets.charge('a', 50);
    expect([buckets.waitFor('a'), buckets.waitFor('b'), buckets.size]).toEqual([3100, 0, 1]);
    clock.now += 3100;
    expect(passed('a', 5)).toBe(1);
    buckets.charge('a', -30);
    expect(passed('a', 100)).toBe(20);
    buckets.charge('b', 1);
    buckets.charge('c', 50);
    expect([buckets.waitFor('d') > 0, buckets.size]).toEqual([true, 2]);
  });

  it('hold each key to its own', () => {
    const { passed } = setting({ perSecond: 1, burst: 5 });
    expect(passed('a', 1000)).toBe(5);
    expect(passed('b', 5)).toBe(5);
  });

  it('tell long keys apart, and from their digests', () => {
    const { passed, buckets } = setting({ perSecond: 1, burst: 1 });
    const long = 'n'.repeat(30_000);
    expect([passed(long, 2), passed(`${long}m`, 2)]).toEqual([1, 1]);
    expect(buckets.size).toBe(2);
  });

  it('are no more than may be: whoever is not among them shares one', () => {
    const { buckets, passed } = setting({ perSecond: 1, burst: 2, maxKeys: 3 });
    for (const key of ['a', 'b', 'c']) passed(key, 2);
    expect(passed('d', 1) + passed('e', 1) + passed('f', 1)).toBe(2);
    expect(buckets.size).toBe(3);
  });

  it('are not forgotten before they are full: a flood of others gives nobody a new one', () => {
    const { clock, buckets, passed } = setting({ perSecond: 1, burst: 2, maxKeys: 10 });
    passed('a', 2);
    for (let other = 0; other < 1000; other += 1) buckets.take(`other ${other}`);
    expect(passed('a', 1)).toBe(0);
    clock.now += 1000;
    for (let other = 0; other < 1000; other += 1) buckets.take(`another ${other}`);
    expect(passed('a', 5)).toBe(1);
  });

  it('make room for new keys as soon as others are full again', () => {
    const { clock, buckets, passed } = setting({ perSecond: 1, burst: 2, maxKeys: 100 });
    for (let key = 0; key < 100; key += 1) passed(`old ${key}`, 2);
    clock.now += 2000;
    for (let key = 0; key < 100; key += 1) expect(passed(`new ${key}`, 5)).toBe(2);
    expect(buckets.size).toBeLessThanOrEqual(100);
  });

  it('are found behind those that are kept empty', () => {
    const { clock, buckets, passed } = setting({ perSecond: 1, burst: 2, maxKeys: 100 });
    for (let key = 0; key < 100; key += 1) passed(`old ${key}`, 1);
    clock.now += 1000;
    // As many at the table's beginning as are looked at for one request.
    for (let key = 0; key < 16; key += 1) passed(`old ${key}`, 2);
    buckets.take('stranger');
    expect(passed('scraper', 2)).toBe(2);
    expect(passed('scraper', 1)).toBe(0);
  });

  const rates = fc.double({ min: 0.1, max: 1000, noNaN: true });
  const steps = fc.array(fc.tuple(fc.nat({ max: 6 }), fc.integer({ min: 0, max: 700 })), { maxLength: 200 });

  it('never let more pass than burst + rate · t, whatever comes between', () => {
    fc.assert(
      fc.property(
        rates,
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 8 }),
        steps,
        (perSecond, burst, maxKeys, requests) => {
          const { clock, buckets } = setting({ perSecond, burst, maxKeys });
          const passedAt = new Map<number, number[]>();
          for (const [key, pauseMs] of requests) {
            clock.now += pauseMs;
            if (buckets.take(`key ${key}`) === 0)
              passedAt.set(key, [...(passedAt.get(key) ?? []), clock.now]);
            expect(buckets.size).toBeLessThanOrEqual(maxKeys);
          }
          // A key that shared a bucket for a while and has one of its own then may have had both.
          const buckets2 = maxKeys > 6 ? 1 : 2;
          for (const times of passedAt.values()) {
            for (const [first, from] of times.entries()) {
              for (const [last, to] of times.entries()) {
                if (last < first) continue;
                const most = buckets2 * (burst + (perSecond * (to - from)) / 1000);
                expect(last - first + 1).toBeLessThanOrEqual(most + 1e-6);
              }
            }
          }
        },
      ),
    );
  });

  it('let pass, of all that are known or not, no more than table and shared bucket hold', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.string({ maxLength: 3 }), { maxLength: 300 }),
        (maxKeys, keys) => {
          const { buckets } = setting({ perSecond: 1, burst: 3, maxKeys });
          const passed = keys.filter((key) => buckets.take(key) === 0).length;
          expect(passed).toBeLessThanOrEqual(3 * (maxKeys + 1));
        },
      ),
    );
  });

  it('never keep waiting longer than they say', () => {
    fc.assert(
      fc.property(rates, fc.integer({ min: 1, max: 50 }), steps, (perSecond, burst, requests) => {
        const { clock, buckets } = setting({ perSecond, burst });
        for (const [key, pauseMs] of requests) {
          clock.now += pauseMs;
          const wait = buckets.take(`key ${key}`);
          if (wait === 0) continue;
          clock.now += wait + 1e-3;
          expect(buckets.take(`key ${key}`)).toBe(0);
        }
      }),
    );
  });

  it.each([
    [{ perSecond: 0 }, /^perSecond: /],
    [{ perSecond: -1 }, /^perSecond: /],
    [{ perSecond: NaN }, /^perSecond: /],
    [{ perSecond: Infinity }, /^perSecond: /],
    [{ perSecond: 1, burst: 0.5 }, /^burst: /],
    [{ perSecond: 1, burst: NaN }, /^burst: /],
    [{ perSecond: 1, maxKeys: 0 }, /^maxKeys: /],
    [{ perSecond: 1, maxKeys: 1.5 }, /^maxKeys: /],
  ])('cannot be made of %o', (options, message) => {
    expect(() => new RequestBuckets(options)).toThrow(RequestLimitError);
    expect(() => new RequestBuckets(options)).toThrow(message);
  });
});
