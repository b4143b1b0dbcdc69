import { describe, expect, it } from 'vitest';
import { looksShardLevel } from '../../src/paths/request-target.js';
import { words } from '../support/words.js';

describe('a lookalike of a shard-level path', () => {
  it.each([
    ...words(`
      /metrics /metrics/ /metrics/slis /METRICS /MeTrIcS/ //metrics /./metrics /x/../metrics /%6detrics
      /%256detrics /%25256detrics /metrics%2f /metrics%00 /metrics%20 /metrics;v=1 /x;/../metrics /metrics#x
      /metrics%3fx /metrics?x http://h/metrics http:///clusters/metrics http:////x//metrics
      /clusters/root/Metrics /clusters/%2a/metrics /services/cache/METRICS /shards/a/clusters/b/metrics/
    `),
    '\\metrics',
    '/\\metrics',
    '/x\\..\\metrics',
    '/met\trics',
    '/metrics\u00a0',
    '/\u200bmetrics',
  ])('%j is one', (target) => {
    expect(looksShardLevel(target)).toBe(true);
  });

  it.each([
    ...words(`
      / /metric /metricsx /metrics.json /metrics-server /x/metrics /api/v1/metrics
      /apis/metrics.k8s.io/v1beta1/nodes /clusters/root/api/v1/metrics /clusters/root /x?/metrics
      /x?a=/metrics /services/metrics/x *
    `),
    '',
  ])('%j is none', (target) => {
    expect(looksShardLevel(target)).toBe(false);
  });

  it.each([
    ['slashes', '/'.repeat(1_000_000)],
    ['escapes', `/${'%25'.repeat(300_000)}`],
    ['parameters', `/metric${';/'.repeat(400_000)}`],
    ['scopes', '/clusters/a'.repeat(80_000)],
    ['half scopes', '/clusters/'.repeat(80_000)],
    ['shards', '/shards/'.repeat(80_000)],
    ['blanks', ' '.repeat(1_000_000)],
  ])('is told in time in proportion to the length: a megabyte of %s', (_, target) => {
    const started = performance.now();
    looksShardLevel(target);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
