import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRetryAfter } from '../../src/outgoing/backoff.js';

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
