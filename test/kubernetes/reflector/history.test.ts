import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isOlder } from '../../../src/kubernetes/reflector/history.js';

describe('a resourceVersion', () => {
  it('that is a decimal integer is older than every larger one', () => {
    const integer = fc.bigInt({ min: 0n, max: 2n ** 80n });
    fc.assert(
      fc.property(integer, integer, (one, other) => {
        expect(isOlder(String(one), String(other))).toBe(one < other);
      }),
    );
  });

  it.each([
    ['', '5'],
    ['a', 'b'],
    ['4', 'b'],
    ['a', '5'],
    ['04', '5'],
    ['-1', '5'],
    ['4.5', '5'],
    ['4 ', '5'],
    ['4\n', '5'],
  ])('%j is not comparable to %j', (one, other) => {
    expect(isOlder(one, other)).toBe(false);
    expect(isOlder(other, one)).toBe(false);
  });
});
