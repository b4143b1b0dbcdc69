import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { originForm, parseRequestTarget } from '../../src/paths/request-target.js';
import { anyCharacter } from '../support/any-character.js';
import { words } from '../support/words.js';

describe('a request target', () => {
  it.each([
    ['/metrics', '/metrics', ''],
    ['/metrics?', '/metrics', '?'],
    ['/metrics?a=%zz&b', '/metrics', '?a=%zz&b'],
    ['/metrics?a?b', '/metrics', '?a?b'],
    ['/metrics#x', '/metrics#x', ''],
    ['/%6detrics', '/metrics', ''],
    ['/%6Detrics', '/metrics', ''],
    ['/%256detrics', '/%6detrics', ''],
    ['/clusters/root%2fmetrics', '/clusters/root/metrics', ''],
    ['/metrics%3fx', '/metrics?x', ''],
    ['/a+b', '/a+b', ''],
    ['/%c3%a9', '/é', ''],
    ['/\u00c3\u00a9', '/é', ''],
    ['/%ff', '/\ufffd', ''],
    ['/%c0%af', '/\ufffd\ufffd', ''],
    ['/%00', '/\0', ''],
    ['http://h/metrics', '/metrics', ''],
    ['HTTPS://user:pw@h:1/metrics?x', '/metrics', '?x'],
    ['http://h', '/', ''],
    ['http://h?x', '/', '?x'],
    ['http:///metrics', '/metrics', ''],
    ['//h/metrics', '//h/metrics', ''],
  ])('%j is the path %j and the query %j', (target, path, query) => {
    expect(parseRequestTarget(target)).toEqual({ path, query });
  });

  it.each([
    ...words('* h:443 metrics %2fmetrics http:/metrics http:metrics ?x'),
    '',
    '\\metrics',
    ' /metrics',
  ])('%j has no path', (target) => {
    expect(parseRequestTarget(target)).toBeUndefined();
  });

  it.each(['/%', '/%2', '/%zz', '/%2g', '/%g2', '/a%', '/%%41', '/%u0041', '/% 1', '/metrics%'])(
    '%j holds a broken escape',
    (target) => {
      expect(parseRequestTarget(target)).toBeUndefined();
    },
  );

  it('is decoded as every escaped text is', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        const path = `/${text.toWellFormed()}`;
        expect(parseRequestTarget(encodeURI('/') + encodeURIComponent(path.slice(1)))?.path).toBe(path);
      }),
      { numRuns: 2000 },
    );
  });

  it('begins with a slash wherever it has a path', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl()), (target) => {
        expect(parseRequestTarget(target)?.path ?? '/').toMatch(/^\//);
        expect(originForm(originForm(target))).toBe(originForm(target));
      }),
      { numRuns: 2000 },
    );
  });
});
