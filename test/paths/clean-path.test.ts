import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanPath, locationOf } from '../../src/paths/request-target.js';

const path = fc
  .array(
    fc.oneof(fc.constantFrom('', '.', '..', '...', 'metrics', '..;', '\\'), fc.string({ maxLength: 4 })),
    { maxLength: 8 },
  )
  .map((segments) => `/${segments.join('/')}`);

describe('cleanPath', () => {
  it.each([
    ['/', '/'],
    ['//', '/'],
    ['/.', '/'],
    ['/..', '/'],
    ['/../..', '/'],
    ['/metrics', '/metrics'],
    ['/metrics/', '/metrics/'],
    ['//metrics', '/metrics'],
    ['/metrics//', '/metrics/'],
    ['/./metrics', '/metrics'],
    ['/metrics/.', '/metrics'],
    ['/metrics/..', '/'],
    ['/a/../metrics', '/metrics'],
    ['/../../metrics', '/metrics'],
    ['/a/b/../../metrics/./slis', '/metrics/slis'],
    ['/...', '/...'],
    ['/.metrics', '/.metrics'],
    ['/..metrics', '/..metrics'],
    ['/metrics..', '/metrics..'],
    ['/a\\..\\metrics', '/a\\..\\metrics'],
  ])('makes %s to %s', (given, cleaned) => {
    expect(cleanPath(given)).toBe(cleaned);
  });

  it('has no empty, . or .. segment, and is its own cleaned form', () => {
    fc.assert(
      fc.property(path, (given) => {
        const cleaned = cleanPath(given);
        expect(cleaned).toMatch(/^\//);
        const inner = cleaned.split('/').slice(1, -1);
        expect(inner.filter((segment) => ['', '.', '..'].includes(segment))).toEqual([]);
        expect(cleaned).not.toMatch(/\/\.{1,2}$/);
        expect(cleanPath(cleaned)).toBe(cleaned);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes time in proportion to the length', () => {
    const started = performance.now();
    cleanPath('/..'.repeat(300_000));
    cleanPath('/a/..'.repeat(200_000));
    cleanPath('/'.repeat(1_000_000));
    expect(performance.now() - started).toBeLessThan(3000);
  });
});

describe('locationOf', () => {
  it.each([
    ['/metrics', '', '/metrics'],
    ['/metrics', '?a=b&c', '/metrics?a=b&c'],
    ['/a b', '', '/a%20b'],
    ['/a\\b', '', '/a%5Cb'],
    ['/a%2fb', '', '/a%252fb'],
    ['/a?b#c', '', '/a%3Fb%23c'],
    ['/a:b@c$d&e+f,g;h=i', '', '/a:b@c$d&e+f,g;h=i'],
    ['/\r\nSet-Cookie: a', '', '/%0D%0ASet-Cookie:%20a'],
    ['/é', '?é', '/%C3%A9?%C3%A9'],
    ['/\ud800', '', '/%EF%BF%BD'],
    ['/a', '?\r\n\t \0', '/a?%0D%0A%09%20%00'],
  ])('%j with %j is %s', (cleaned, query, location) => {
    expect(locationOf(cleaned, query)).toBe(location);
  });
});
