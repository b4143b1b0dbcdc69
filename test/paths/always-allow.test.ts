import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AlwaysAllowPathError, alwaysAllowPaths } from '../../src/paths/always-allow.js';

describe('always-allow paths', () => {
  it.each([
    ['/healthz', '/healthz', true],
    ['/healthz', '/healthz/', false],
    ['/healthz', '/healthz/ping', false],
    ['/healthz', '/HEALTHZ', false],
    ['healthz', '/healthz', true],
    ['/healthz', 'healthz', true],
    ['//healthz', '/healthz', false],
    ['//healthz', '//healthz', true],
    ['/healthz/*', '/healthz/ping', true],
    ['/healthz/*', '/healthz/', true],
    ['/healthz/*', '/healthz', false],
    ['/healthz*', '/healthzz', true],
    ['/healthz*', '/healthz', true],
    ['*', '/anything/at/all', true],
    ['/*', '/anything/at/all', true],
    ['/*', '', true],
    ['', '', false],
    ['', '/', false],
    ['/', '/', true],
    ['/', '/metrics', false],
    ['/met[a-z]ics', '/metrics', false],
    ['/met?ics', '/metrics', false],
    ['/{metrics,healthz}', '/metrics', false],
    ['!/metrics', '/healthz', false],
  ])('%j: whether %j passes is %j', (pattern, path, passes) => {
    expect(alwaysAllowPaths([pattern])(path)).toBe(passes);
  });

  it.each(['/healthz/**', '**', '/*/metrics', '*/metrics', '/a*b', '/a*b*'])(
    '%s is an error that names it',
    (pattern) => {
      const reading = (): unknown => alwaysAllowPaths(['/livez', pattern]);
      expect(reading).toThrow(AlwaysAllowPathError);
      expect(reading).toThrow(JSON.stringify(pattern));
    },
  );

  it('let nothing pass when there are none', () => {
    fc.assert(
      fc.property(fc.string(), (path) => !alwaysAllowPaths([])(path) && !alwaysAllowPaths([''])(path)),
    );
  });

  it('without a star let exactly themselves pass', () => {
    const path = fc.string().map((text) => `/${text.replaceAll('*', '')}`);
    fc.assert(
      fc.property(
        path,
        path,
        (one, other) => alwaysAllowPaths([one])(other) === (one === other && one !== ''),
      ),
    );
  });
});
