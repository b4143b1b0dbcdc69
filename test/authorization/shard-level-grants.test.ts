import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shardLevelGrants } from '../../src/authorization/shard-level-grants.js';

const reaches = (url: string): boolean =>
  shardLevelGrants([{ verbs: ['get'], nonResourceURLs: [url] }]).length > 0;

describe('rules grant a shard-level path', () => {
  it.each([
    ['/metrics', true],
    ['/metrics/', true],
    ['/metrics/slis', true],
    ['*', true],
    ['**', true],
    ['/*', true],
    ['/m*', true],
    ['/metrics*', true],
    ['/metrics/*', true],
    ['/metrics/slis*', true],
    ['/met*rics', false],
    ['/metricsx', false],
    ['/metricsx*', false],
    ['/METRICS', false],
    ['/METRICS*', false],
    ['metrics', false],
    ['metrics*', false],
    ['/', false],
    ['', false],
    ['/healthz', false],
    ['/clusters/root/metrics', false],
  ])('%j: %j', (url, expected) => {
    expect(reaches(url)).toBe(expected);
  });

  it('where some shard-level path matches, and nowhere else', () => {
    const piece = fc.constantFrom('/', '/m', '/metrics', 'metrics', 'rics', 'x', '*', '/slis');
    const text = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(text, (url) => {
        // The only path that a pattern without a star matches, and the shortest ones that one with a star does.
        const start = url.replace(/\*+$/, '');
        const candidates = url.endsWith('*') ? [start, '/metrics', '/metrics/'] : [url];
        const matching = candidates.filter((path) => (url.endsWith('*') ? path.startsWith(start) : true));
        expect(reaches(url)).toBe(
          matching.some((path) => path === '/metrics' || path.startsWith('/metrics/')),
        );
      }),
    );
  });

  it('for any verb, and for none where there is none', () => {
    const nonResourceURLs = ['/metrics'];
    expect(shardLevelGrants([{ verbs: ['post'], nonResourceURLs }])).toEqual([
      { url: '/metrics', verbs: ['post'] },
    ]);
    expect(shardLevelGrants([{ verbs: [], nonResourceURLs }])).toEqual([]);
    expect(shardLevelGrants([])).toEqual([]);
  });
});
