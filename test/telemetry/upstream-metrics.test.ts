import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { linesOf } from './series.js';
import { UpstreamMetrics } from '../../src/telemetry/outgoing-metrics.js';

describe('what is told of upstreams', () => {
  it('is which of them failed and why, and what could not be merged', async () => {
    const registry = new Registry();
    const metrics = new UpstreamMetrics(registry);
    metrics.failure('/metrics', 'unavailable');
    metrics.failure('shop', 'timeout');
    metrics.failure('shop', 'timeout');
    metrics.leftOut({ member: 'shop', family: 'up', cause: 'conflict', series: 3 });
    metrics.leftOut({ member: 'shop', family: 'down', cause: 'duplicate', series: 2 });
    metrics.withoutTenant('several');
    expect(await linesOf(registry)).toEqual([
      'kcp_metrics_filter_upstream_failures_total{upstream="/metrics",reason="unavailable"} 1',
      'kcp_metrics_filter_upstream_failures_total{upstream="shop",reason="timeout"} 2',
      'kcp_metrics_filter_unmerged_series_total{upstream="shop",reason="conflict"} 3',
      'kcp_metrics_filter_unmerged_series_total{upstream="shop",reason="duplicate"} 2',
      'kcp_metrics_filter_scrapes_without_tenant_total{reason="several"} 1',
    ]);
  });
});
