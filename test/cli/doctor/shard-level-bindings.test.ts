import { describe, expect, it } from 'vitest';
import { shardLevelBindings } from '../../../src/cli/doctor/bindings.js';
import { bootstrapPolicy } from '../../../src/policy/sources/bootstrap.js';
import { binding, policyOfLayers, role } from './policies.js';

describe('bindings that grant a shard-level path', () => {
  const rows: readonly (readonly [verbs: string, urls: string, isFound: boolean])[] = [
    ['get', '/metrics', true],
    ['post', '/metrics', true],
    ['get', '/metrics/slis', true],
    ['get', '/metrics/slis/*', true],
    ['get', '/metrics/*', true],
    ['get', '/metrics*', true],
    ['get', '/m*', true],
    ['*', '*', true],
    ['get', '/healthz,/metrics', true],
    ['get', '/metricsx', false],
    ['get', '/metricsx*', false],
    ['get', '/METRICS', false],
    ['get', '/healthz', false],
    ['access', '/', false],
  ];
  it.each(rows)('%s on %s: %s', (verbs, urls, isFound) => {
    const policy = policyOfLayers({ root: [role('reader', [verbs, urls]), binding('b', 'reader')] });
    expect(shardLevelBindings(policy).map(({ binding: { name } }) => name)).toEqual(isFound ? ['b'] : []);
  });

  it('are each found once, in the layer that they stand in, over roles of later layers', () => {
    const policy = policyOfLayers({
      root: [
        binding('scrapers', 'system:kcp:metrics-reader'),
        binding('own', 'own'),
        role('own', ['get,post', '/metrics,/metrics/slis,/metrics*']),
        binding('dangling', 'nowhere'),
        binding('other', 'system:discovery'),
      ],
      bootstrap: bootstrapPolicy(),
    });
    const found = shardLevelBindings(policy).map(({ layer, binding: { name } }) => `${layer} ${name}`);
    expect(found.filter((name) => name.startsWith('root ')).sort()).toEqual(['root own', 'root scrapers']);
    expect(found).toContain('bootstrap system:monitoring');
    expect(new Set(found).size).toBe(found.length);
  });

  it('are told apart from those of administrators, who are granted everything', () => {
    const policy = policyOfLayers({
      root: [
        role('all-paths', ['get', '*']),
        role('all-verbs', ['*', '/metrics']),
        role('everything', ['*', '*']),
        ...['all-paths', 'all-verbs', 'everything'].map((name) => binding(`to-${name}`, name)),
      ],
    });
    const administrators = shardLevelBindings(policy).filter(
      ({ isForAdministrators }) => isForAdministrators,
    );
    expect(administrators.map(({ binding: { name } }) => name)).toEqual(['to-everything']);
  });

  it('are looked for in what is in force', () => {
    const policy = policyOfLayers({});
    expect(shardLevelBindings(policy)).toEqual([]);
  });
});
