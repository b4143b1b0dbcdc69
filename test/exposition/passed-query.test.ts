import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { passedQuery } from '../../src/exposition/passed-query.js';

const names = new Set(['collect[]', 'target', 'a']);

describe('the query that upstreams are told', () => {
  it.each([
    ['/metrics', ''],
    ['/metrics?', ''],
    ['/metrics?b=1&c', ''],
    ['/metrics?a', 'a='],
    ['/metrics?a=1&a=2&b=3&target=x', 'a=1&a=2&target=x'],
    ['/metrics?collect[]=cpu&collect%5B%5D=net', 'collect%5B%5D=cpu&collect%5B%5D=net'],
    ['/metrics?a=b=c%26target=d', 'a=b%3Dc%26target%3Dd'],
    ['/metrics?a=1;target=2', 'a=1%3Btarget%3D2'],
    ['/metrics?a=1#x', 'a=1%23x'],
    ['/metrics?A=1&%61=2', 'a=2'],
    ['/metrics?a=x+y%20z%2B', 'a=x%20y%20z%2B'],
    ['/metrics?a=%0d%0aHost:%20x', 'a=%0D%0AHost%3A%20x'],
    ['/metrics?%ff=1&a=1', 'a=1'],
  ])('%s → %s', (target, told) => {
    expect(passedQuery(target, names)).toBe(told);
  });

  it.each(['/metrics?a=%ff', '/metrics?a=%', '/metrics?a=\ud800', `/metrics?a=${'x'.repeat(2047)}`])(
    'is refused: %j',
    (target) => {
      expect(() => passedQuery(target, names)).toThrow(RangeError);
    },
  );

  it('has the listed parameters in their order, and nothing that could be read otherwise', () => {
    const name = fc.constantFrom('a', 'target', 'collect[]', 'b', 'A', 'a ');
    const value = fc.string({ unit: 'binary', maxLength: 20 });
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 10 }), (pairs) => {
        const told = passedQuery(`/metrics?${new URLSearchParams(pairs).toString()}`, names);
        expect([...new URLSearchParams(told)]).toEqual(pairs.filter(([key]) => names.has(key)));
        expect(told).toMatch(/^[A-Za-z0-9%=&!'()*._~-]*$/);
      }),
    );
  });

  it('is refused or clean, whatever the target', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        let told = '';
        try {
          told = passedQuery(`/metrics?a=${text}`, names);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
        expect(told).toMatch(/^[A-Za-z0-9%=&!'()*._~-]*$/);
        expect([...new URLSearchParams(told).keys()].filter((key) => !names.has(key))).toEqual([]);
      }),
    );
  });
});
