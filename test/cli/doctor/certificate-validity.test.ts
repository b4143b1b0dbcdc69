import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validityOf } from '../../../src/cli/doctor/certificate-health.js';

const now = Date.parse('2026-06-15T12:00:00Z');
const day = 86_400_000;
const hour = 3_600_000;

describe('the validity of a certificate', () => {
  const rows: readonly (readonly [from: number, until: number, level: string, words: string])[] = [
    [-1, 365 * day, 'ok', 'is valid for 365 days, until 2027-06-15'],
    // Of a long life, the last 30 days.
    [-365 * day, 30 * day, 'ok', 'is valid for 30 days, until 2026-07-15'],
    [-365 * day, 30 * day - 1, 'warning', 'expires in 29 days, on 2026-07-15: renew it'],
    // Of a short one, its last fifth.
    [-72 * day, 18 * day, 'ok', 'is valid for 18 days, until 2026-07-03'],
    [-72 * day - 10, 18 * day, 'warning', 'expires in 18 days, on 2026-07-03: renew it'],
    [-1, day, 'ok', 'is valid for 1 day, until 2026-06-16'],
    [-8 * hour, 16 * hour, 'ok', 'is valid for 16 hours, until 2026-06-16'],
    [-20 * hour, 4 * hour, 'warning', 'expires in 4 hours, on 2026-06-15: renew it'],
    [-10 * hour, hour, 'warning', 'expires in 1 hour, on 2026-06-15: renew it'],
    [-1, 0, 'warning', 'expires in less than an hour, on 2026-06-15: renew it'],
    [-2, -1, 'error', 'expired less than an hour ago, on 2026-06-15: renew it'],
    [-9 * day, -3 * day, 'error', 'expired 3 days ago, on 2026-06-12: renew it'],
    [1000, 9 * day, 'error', 'is not valid before 2026-06-15T12:00:01.000Z: look at the clock, or wait'],
  ];
  it.each(rows)('from %i ms to %i ms is %s: %s', (from, until, level, words) => {
    expect(validityOf({ notBefore: now + from, notAfter: now + until }, now)).toEqual({ level, words });
  });

  it('is an error exactly where the time lies outside', () => {
    const ms = fc.integer({ min: -400 * day, max: 400 * day });
    fc.assert(
      fc.property(ms, ms, (from, until) => {
        const { level } = validityOf({ notBefore: now + from, notAfter: now + until }, now);
        expect(level === 'error').toBe(from > 0 || until < 0);
      }),
    );
  });
});
