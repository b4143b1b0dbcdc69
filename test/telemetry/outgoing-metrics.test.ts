import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import {
  RestClientMetrics,
  ReviewMetrics,
  type ReviewPurpose,
  UpstreamMetrics,
} from '../../src/telemetry/outgoing-metrics.js';
import { linesOf } from './series.js';

describe('what is told of reviews', () => {
  it.each<ReviewPurpose>(['authn', 'authz'])('has kubernetes’ names for %s', async (purpose) => {
    const registry = new Registry();
    const metrics = new ReviewMetrics(registry);
    metrics.request(purpose, { code: '201', seconds: 0.5 });
    metrics.request(purpose, { code: '<error>', seconds: 2 });
    expect(await linesOf(registry)).toEqual([
      `apiserver_delegated_${purpose}_request_total{code="201"} 1`,
      `apiserver_delegated_${purpose}_request_total{code="<error>"} 1`,
      `apiserver_delegated_${purpose}_request_duration_seconds_sum{code="201"} 0.5`,
      `apiserver_delegated_${purpose}_request_duration_seconds_count{code="201"} 1`,
      `apiserver_delegated_${purpose}_request_duration_seconds_sum{code="<error>"} 2`,
      `apiserver_delegated_${purpose}_request_duration_seconds_count{code="<error>"} 1`,
    ]);
  });

  it('has kubernetes’ buckets', async () => {
    const registry = new Registry();
    new ReviewMetrics(registry).request('authn', { code: '201', seconds: 0.6 });
    const text = await registry.metrics();
    const found = [
      ...text.matchAll(/authn_request_duration_seconds_bucket\{le="([^"]+)",code="201"\} (\d)/g),
    ];
    expect(found.map(([, bound, count]) => `${bound ?? ''}: ${count ?? ''}`)).toEqual([
      ...['0.25: 0', '0.5: 0', '0.7: 1', '1: 1', '1.5: 1', '3: 1', '5: 1', '10: 1', '+Inf: 1'],
    ]);
  });

  it.each([
    ['authentication_token_cache_request_total{status="hit"} 1', 'tokenCache', ['hit']],
    ['kcp_metrics_filter_authorization_webhook_cache_total{status="stale"} 1', 'decisionCache', ['stale']],
    [
      'kcp_metrics_filter_reviews_not_asked_total{type="authn",cause="outage"} 1',
      'unasked',
      ['authn', 'outage'],
    ],
    [
      'kcp_metrics_filter_reviews_not_asked_total{type="authz",cause="overload"} 1',
      'unasked',
      ['authz', 'overload'],
    ],
    ['kcp_metrics_filter_review_failures_total{type="authz"} 1', 'failure', ['authz']],
  ] as const)('is %s', async (line, method, values) => {
    const registry = new Registry();
    const metrics = new ReviewMetrics(registry);
    Reflect.apply(metrics[method], metrics, values);
    expect(await linesOf(registry)).toEqual([line]);
  });

  it('stands in a registry once', () => {
    const registry = new Registry();
    new ReviewMetrics(registry);
    expect(() => new ReviewMetrics(registry)).toThrow('already been registered');
  });
});

describe('what is told of requests to API servers', () => {
  it('has the names of kubernetes’ client', async () => {
    const registry = new Registry();
    const metrics = new RestClientMetrics(registry);
    const labels = { method: 'POST', host: '127.0.0.1:6443' };
    metrics.request({ ...labels, code: '201', seconds: 0.25 });
    metrics.request({ ...labels, code: '<error>', seconds: 0.25 });
    metrics.request({ ...labels, code: '200', method: 'GET', seconds: undefined });
    expect(await linesOf(registry)).toEqual([
      'rest_client_requests_total{code="201",method="POST",host="127.0.0.1:6443"} 1',
      'rest_client_requests_total{code="<error>",method="POST",host="127.0.0.1:6443"} 1',
      'rest_client_requests_total{code="200",method="GET",host="127.0.0.1:6443"} 1',
      'rest_client_request_duration_seconds_sum{verb="POST",host="127.0.0.1:6443"} 0.5',
      'rest_client_request_duration_seconds_count{verb="POST",host="127.0.0.1:6443"} 2',
    ]);
  });
});

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
