import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backoff, parseRetryAfter } from '../../src/outgoing/backoff.js';

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const drawn = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('a backoff', () => {
  it('draws from a span that doubles up to its cap, and begins anew after a success', () => {
    const backoff = new Backoff({ random: () => 0 });
    const delays = (count: number) => Array.from({ length: count }, () => backoff.next());
    expect(delays(9)).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    backoff.reset();
    expect(delays(2)).toEqual([250, 500]);
  });

  it('has a first delay that may be asked for without counting', () => {
    const backoff = new Backoff({ baseMs: 250, capMs: 15_000, random: () => 0 });
    expect([backoff.first(), backoff.first(), backoff.next(), backoff.next()]).toEqual([250, 250, 250, 500]);
    expect([backoff.first(), backoff.next()]).toEqual([250, 1_000]);
    expect(new Backoff({ baseMs: 250, capMs: 100, random: () => 0 }).first()).toBe(100);
    expect(new Backoff({ random: () => 1 - Number.EPSILON }).first()).toBe(20);
  });

  it('is never without a pause', () => {
    const backoff = new Backoff({ random: () => 1 - Number.EPSILON });
    expect([backoff.next(), backoff.next(0), backoff.next(-5)]).toEqual([20, 20, 20]);
  });

  it('waits for as long as the server asks, and a little longer', () => {
    expect(new Backoff({ random: () => 0.5 }).next(7000)).toBe(7125);
  });

  it('believes a server at most five minutes', () => {
    expect(new Backoff({ random: () => 0.5 }).next(86_400_000)).toBe(300_125);
  });

  it('goes on growing where a server asks to come back at once', () => {
    const backoff = new Backoff({ random: () => 0 });
    expect(Array.from({ length: 4 }, () => backoff.next(0))).toEqual([250, 500, 1000, 2000]);
  });

  it('keeps its bounds after any number of failures', () => {
    fc.assert(
      fc.property(
        number(1, 10_000),
        number(20, 100_000),
        fc.array(fc.tuple(drawn, fc.option(number(0, 1_000_000), { nil: undefined })), { maxLength: 2000 }),
        (baseMs, capMs, failures) => {
          let random = 0;
          const backoff = new Backoff({ baseMs, capMs, random: () => random });
          failures.forEach(([next, retryAfterMs], failed) => {
            random = next;
            const delay = backoff.next(retryAfterMs);
            const asked = Math.min(retryAfterMs ?? 0, 300_000);
            const span = Math.max(20, Math.min(capMs, baseMs * 2 ** failed));
            expect(delay).toBeGreaterThanOrEqual(Math.max(20, asked));
            expect(delay).toBeLessThanOrEqual(
              retryAfterMs === undefined ? span : Math.max(span, asked + baseMs),
            );
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  it('draws evenly from its span', () => {
    const delays = Array.from({ length: 10_000 }, () => new Backoff({ baseMs: 10_000 }).next());
    const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
    expect(mean).toBeGreaterThan(4500);
    expect(mean).toBeLessThan(5500);
  });
});

const now = Date.parse('Sun, 06 Nov 1994 08:49:37 GMT');

describe('a Retry-After header', () => {
  it.each<[string | undefined, number | undefined]>([
    [undefined, undefined],
    ['0', 0],
    ['1', 1000],
    [' 120 ', 120_000],
    ['86400', 300_000],
    ['9'.repeat(400), 300_000],
    ['Sun, 06 Nov 1994 08:49:40 GMT', 3000],
    ['Sunday, 06-Nov-94 08:49:40 GMT', 3000],
    ['Sun, 06 Nov 1994 08:00:00 GMT', 0],
    ['Mon, 06 Nov 2994 08:49:37 GMT', 300_000],
    ['', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['soon', undefined],
    ['2030', 300_000],
    ['Sun, 06 Nov 1994 08:49:40', undefined],
    ['Sun, 99 Nov 1994 08:49:40 GMT', undefined],
  ])('of %j asks for %j ms', (value, delayMs) => {
    expect(parseRetryAfter(value, now)).toBe(delayMs);
  });

  it('asks for nothing, or for up to five minutes, whatever it says', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const delayMs = parseRetryAfter(value) ?? 0;
        expect(delayMs >= 0 && delayMs <= 300_000).toBe(true);
      }),
    );
  });
});
