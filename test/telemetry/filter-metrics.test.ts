import { packageVersion } from '../../src/own-package.js';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { FilterMetrics } from '../../src/telemetry/filter-metrics.js';
import { linesOf, seriesOf } from './series.js';
import { anyCharacter } from '../support/any-character.js';

type Told = (metrics: FilterMetrics) => void;
type Call = {
  [Method in keyof FilterMetrics]: FilterMetrics[Method] extends (...values: infer Values) => void
    ? [method: Method, ...values: Values]
    : never;
}[keyof FilterMetrics];

async function linesAfter(...told: readonly Told[]): Promise<readonly string[]> {
  const registry = new Registry();
  const metrics = new FilterMetrics(registry);
  for (const tell of told) tell(metrics);
  return linesOf(registry);
}

describe('what the filter tells of itself', () => {
  it.each<[line: string, ...call: Call]>([
    ['authentication_attempts{result="success"} 1', 'authenticationAttempt', 'success', 0.001, 'mallory'],
    ['authentication_attempts{result="error"} 1', 'authenticationAttempt', 'error', 0.001],
    ['authentication_duration_seconds_count{result="failure"} 1', 'authenticationAttempt', 'failure', 0.001],
    ['authentication_duration_seconds_sum{result="failure"} 0.5', 'authenticationAttempt', 'failure', 0.5],
    ['authorization_attempts_total{result="allowed"} 1', 'authorizationAttempt', 'allow', 0.001],
    ['authorization_attempts_total{result="denied"} 1', 'authorizationAttempt', 'deny', 0.001],
    ['authorization_attempts_total{result="no-opinion"} 1', 'authorizationAttempt', 'no-opinion', 0.001],
    ['authorization_attempts_total{result="error"} 1', 'authorizationAttempt', 'error', 0.001],
    ['authorization_duration_seconds_sum{result="allowed"} 0.5', 'authorizationAttempt', 'allow', 0.5],
    [
      'kcp_metrics_filter_refused_credentials_total{authenticator="service-account"} 1',
      'refusedCredentials',
      'service-account',
    ],
    ['kcp_metrics_filter_spoofed_headers_total 1', 'spoofedHeaders'],
    [
      'apiserver_authorization_decisions_total{type="Webhook",name="webhook",decision="allowed"} 1',
      'decision',
      'Webhook',
      'allow',
    ],
    [
      'apiserver_authorization_decisions_total{type="RBAC",name="rbac",decision="denied"} 1',
      'decision',
      'RBAC',
      'deny',
    ],
    ['kcp_metrics_filter_scrapes_total{origin="joined"} 1', 'scrapeFrom', 'joined'],
    ['kcp_metrics_filter_refused_scrapes_total 1', 'refusedScrape'],
    ['kcp_metrics_filter_stalled_clients_total 1', 'stalledClient'],
    ['kcp_metrics_filter_renderings_in_flight 2', 'renderingsInFlight', 2],
    ['kcp_metrics_filter_rejected_requests_total{code="501"} 1', 'rejected', 501],
    ['kcp_metrics_filter_scrape_duration_seconds_count{result="success"} 1', 'scrape', 'success', 0.01],
    [
      'kcp_metrics_filter_policy_reloads_total{source="directory",result="failure"} 1',
      'policyReload',
      'directory',
      'failure',
    ],
    [
      'kcp_metrics_filter_file_reloads_total{flag="--client-ca-file",result="success"} 1',
      'fileReload',
      '--client-ca-file',
      'success',
    ],
    [
      'kcp_metrics_filter_file_reloads_total{flag="--client-ca-file",result="failure"} 0',
      'fileFollowed',
      '--client-ca-file',
    ],
    [
      'kcp_metrics_filter_key_downloads_total{flag="--oidc-issuer-url",result="failure"} 1',
      'keyRefresh',
      '--oidc-issuer-url',
      'failure',
    ],
    ['kcp_metrics_filter_filtered_scrapes_total{result="abandoned"} 1', 'filteredScrape', 'abandoned', {}],
    [
      'kcp_metrics_filter_dropped_series_total{reason="no-mapping"} 7',
      'filteredScrape',
      'success',
      { 'no-mapping': 7, duplicate: 0 },
    ],
    ['kcp_metrics_filter_workspace_renderings_total{result="failure"} 1', 'workspaceRendering', 'failure'],
    ['kcp_metrics_filter_forbidden_requests_total 1', 'forbidden'],
    ['kcp_metrics_filter_limited_requests_total{by="identity"} 1', 'limitedRequest', 'identity'],
    ['kcp_metrics_filter_refused_connections_total 1', 'refusedConnection'],
    ['kcp_metrics_filter_maintenance 1', 'maintenance', true],
    ['kcp_metrics_filter_maintenance_refused_scrapes_total 1', 'refusedInMaintenance'],
  ])('is %s', async (line, method, ...values) => {
    const lines = await linesAfter((metrics) => {
      const record: (...given: unknown[]) => void = metrics[method].bind(metrics) as never;
      record(...values);
    });
    expect(lines).toContain(line);
  });

  it('counts each time', async () => {
    const refused: Told = (metrics) => {
      metrics.refusedCredentials('oidc');
    };
    expect(await linesAfter(refused, refused, refused)).toContain(
      'kcp_metrics_filter_refused_credentials_total{authenticator="oidc"} 3',
    );
  });

  it.each(['no-opinion', 'error'] as const)('counts no decision that is none: %s', async (decision) => {
    const lines = await linesAfter((metrics) => {
      metrics.decision('RBAC', decision);
    });
    expect(lines.filter((line) => line.includes('decisions_total'))).toEqual([]);
  });

  it.each(['AlwaysAllowGroups', 'AlwaysAllowPaths'])(
    'counts no decision of %s, which Kubernetes does not count either',
    async (type) => {
      const lines = await linesAfter((metrics) => {
        metrics.decision(type, 'allow');
        metrics.decision(type, 'deny');
      });
      expect(lines.filter((line) => line.includes('decisions_total'))).toEqual([]);
    },
  );

  it.each([
    ['admin', 'admin'],
    ['kubelet', 'kubelet'],
    ['system:serviceaccount:kube-system:default', 'system:serviceaccount:kube-system:default'],
    ['system:serviceaccount:kube-system:other', 'other'],
    ['jane@example.com', 'email_id'],
    ['system:anonymous', 'other'],
    ['Admin', 'other'],
    ['__proto__', 'other'],
    ['', 'other'],
  ])('counts a request of %j as one of %j', async (username, told) => {
    const lines = await linesAfter((metrics) => {
      metrics.authenticationAttempt('success', 0, username);
    });
    expect(lines).toContain(`authenticated_user_requests{username="${told}"} 1`);
  });

  it('counts users of successes alone, and by seven words whatever they are called', async () => {
    const registry = new Registry();
    const metrics = new FilterMetrics(registry);
    metrics.authenticationAttempt('failure', 0, 'admin');
    metrics.authenticationAttempt('error', 0, 'admin');
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (name) => {
        metrics.authenticationAttempt('success', 0, name);
      }),
    );
    const names = (await seriesOf(registry))
      .filter(({ name }) => name === 'authenticated_user_requests')
      .map(({ labels }) => String(labels['username']));
    const known = ['admin', 'client', 'kube_proxy', 'kubelet', 'system:serviceaccount:kube-system:default'];
    expect([...known, 'email_id', 'other']).toEqual(expect.arrayContaining(names));
  });

  it.each(['authentication_duration_seconds', 'authorization_duration_seconds'])(
    "has Kubernetes' buckets in %s",
    async (name) => {
      const registry = new Registry();
      const metrics = new FilterMetrics(registry);
      metrics.authenticationAttempt('success', 0.003);
      metrics.authorizationAttempt('allow', 0.003);
      const bounds = [
        ...(await registry.metrics()).matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"`, 'gm')),
      ];
      expect(bounds.map(([, bound]) => bound)).toEqual([
        ...['0.001', '0.002', '0.004', '0.008', '0.016', '0.032', '0.064', '0.128', '0.256', '0.512'],
        ...['1.024', '2.048', '4.096', '8.192', '16.384', '+Inf'],
      ]);
    },
  );

  it('shows at first nothing but what has no labels: those are words that have happened', async () => {
    expect((await linesAfter()).toSorted()).toEqual([
      `kcp_metrics_filter_build_info{version="${packageVersion}",node_version="${process.version}"} 1`,
      'kcp_metrics_filter_forbidden_requests_total 0',
      'kcp_metrics_filter_maintenance 0',
      'kcp_metrics_filter_maintenance_refused_scrapes_total 0',
      'kcp_metrics_filter_refused_connections_total 0',
      'kcp_metrics_filter_refused_scrapes_total 0',
      'kcp_metrics_filter_renderings_in_flight 0',
      'kcp_metrics_filter_spoofed_headers_total 0',
      'kcp_metrics_filter_stalled_clients_total 0',
    ]);
  });

  it('has names that say what they count, each with a help and with labels of its own', async () => {
    const registry = new Registry();
    new FilterMetrics(registry);
    const metrics = await registry.getMetricsAsJSON();
    expect(metrics.map(({ name }) => name).toSorted()).toEqual([
      'apiserver_authorization_decisions_total',
      'authenticated_user_requests',
      'authentication_attempts',
      'authentication_duration_seconds',
      'authorization_attempts_total',
      'authorization_duration_seconds',
      'kcp_metrics_filter_build_info',
      'kcp_metrics_filter_dropped_series_total',
      'kcp_metrics_filter_file_reloads_total',
      'kcp_metrics_filter_filtered_scrapes_total',
      'kcp_metrics_filter_forbidden_requests_total',
      'kcp_metrics_filter_gateway_bytes_total',
      'kcp_metrics_filter_gateway_requests_total',
      'kcp_metrics_filter_key_downloads_total',
      'kcp_metrics_filter_left_out_metrics_total',
      'kcp_metrics_filter_limited_requests_total',
      'kcp_metrics_filter_maintenance',
      'kcp_metrics_filter_maintenance_refused_scrapes_total',
      'kcp_metrics_filter_policy_reloads_total',
      'kcp_metrics_filter_refused_connections_total',
      'kcp_metrics_filter_refused_credentials_total',
      'kcp_metrics_filter_refused_scrapes_total',
      'kcp_metrics_filter_rejected_requests_total',
      'kcp_metrics_filter_renderings_in_flight',
      'kcp_metrics_filter_scrape_duration_seconds',
      'kcp_metrics_filter_scrapes_total',
      'kcp_metrics_filter_spoofed_headers_total',
      'kcp_metrics_filter_stalled_clients_total',
      'kcp_metrics_filter_workspace_renderings_total',
    ]);
    expect(metrics.filter(({ help }) => help === '')).toEqual([]);
    expect(await seriesOf(registry)).toHaveLength(9);
  });

  it('stands in a registry once', () => {
    const registry = new Registry();
    new FilterMetrics(registry);
    expect(() => new FilterMetrics(registry)).toThrow('already been registered');
  });
});
