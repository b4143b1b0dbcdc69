import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import {
  apiserverMetrics,
  ApiserverMetricsOptionError,
  type ApiserverMetricsOptions,
} from '../../../src/telemetry/api-server/apiserver-metrics.js';

const pods = { group: '', version: 'v1', resource: 'pods' };

describe('options that cannot be used', () => {
  it.each<[option: string, value: unknown]>([
    ['registry', undefined],
    ['registry', {}],
    ['resources', pods],
    ['resources', ['pods']],
    ['resources', [null]],
    ['resources', [{ ...pods, group: undefined }]],
    ['resources', [{ ...pods, resource: '' }]],
    ['resources', [{ ...pods, resource: 'pods/log' }]],
    ['resources', [{ ...pods, subresources: 'log' }]],
    ['resources', [{ ...pods, subresources: [''] }]],
    ['maxResources', -1],
    ['maxResources', 1.5],
    ['maxResources', '500'],
    ['maxResources', 100_001],
    ['nonResourcePaths', '/healthz'],
    ['nonResourcePaths', ['healthz']],
    ['ignorePaths', ['']],
    ['ignorePaths', [/metrics/]],
    ['ignorePaths', ['/*/metrics']],
    ['ignore', ['/metrics']],
    ['workspaceLabel', ''],
    ['workspaceLabel', 'le'],
    ['workspaceLabel', '__name__'],
    ['maxWorkspaces', -1],
    ['maxWorkspaces', 100_001],
    ['workspaceOf', 'cluster'],
  ])('are refused by name: %s %j', (option, value) => {
    const registry = new Registry();
    const options = { registry, [option]: value } as unknown as ApiserverMetricsOptions;
    let thrown: unknown;
    try {
      apiserverMetrics(options);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ApiserverMetricsOptionError);
    expect(thrown).toMatchObject({ option, code: 'ERR_APISERVER_METRICS_OPTION' });
    expect((thrown as Error).message).toMatch(new RegExp(`^${option}: [^\n]+$`));
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('are those of a second middleware in the same registry', () => {
    const registry = new Registry();
    apiserverMetrics({ registry });
    expect(() => apiserverMetrics({ registry })).toThrow('already been registered');
  });
});
