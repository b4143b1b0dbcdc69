import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { FilterMetrics } from '../../src/telemetry/filter-metrics.js';
import { linesOf, seriesOf } from './series.js';

type Told = (metrics: FilterMetrics) => void;

async function linesAfter(...told: readonly Told[]): Promise<readonly string[]> {
  const registry = new Registry();
  const metrics = new FilterMetrics(registry);
  for (const tell of told) tell(metrics);
  return linesOf(registry);
}

describe('what the filter tells of itself', () => {
  it.each<[line: string, tell: Told]>([
    [
      'authentication_attempts{result="success"} 1',
      (metrics) => {
        metrics.authenticationAttempt('success', 0.001);
      },
    ],
    [
      'authentication_duration_seconds_count{result="failure"} 1',
      (metrics) => {
        metrics.authenticationAttempt('failure', 0.001);
      },
    ],
    [
      'authentication_duration_seconds_sum{result="failure"} 0.5',
      (metrics) => {
        metrics.authenticationAttempt('failure', 0.5);
      },
    ],
    [
      'kcp_metrics_filter_refused_credentials_total{authenticator="service-account"} 1',
      (metrics) => {
        metrics.refusedCredentials('service-account');
      },
    ],
    [
      'kcp_metrics_filter_spoofed_headers_total 1',
      (metrics) => {
        metrics.spoofedHeaders();
      },
    ],
    [
      'apiserver_authorization_decisions_total{type="Webhook",decision="allowed"} 1',
      (metrics) => {
        metrics.decision('Webhook', 'allow');
      },
    ],
    [
      'apiserver_authorization_decisions_total{type="RBAC",decision="denied"} 1',
      (metrics) => {
        metrics.decision('RBAC', 'deny');
      },
    ],
    [
      'kcp_metrics_filter_scrapes_total{origin="joined"} 1',
      (metrics) => {
        metrics.scrapeFrom('joined');
      },
    ],
    [
      'kcp_metrics_filter_refused_scrapes_total 1',
      (metrics) => {
        metrics.refusedScrape();
      },
    ],
    [
      'kcp_metrics_filter_stalled_clients_total 1',
      (metrics) => {
        metrics.stalledClient();
      },
    ],
    [
      'kcp_metrics_filter_renderings_in_flight 2',
      (metrics) => {
        metrics.renderingsInFlight(2);
      },
    ],
    [
      'kcp_metrics_filter_rejected_requests_total{code="501"} 1',
      (metrics) => {
        metrics.rejected(501);
      },
    ],
    [
      'kcp_metrics_filter_scrape_duration_seconds_count{result="success"} 1',
      (metrics) => {
        metrics.scrape('success', 0.01);
      },
    ],
    [
      'kcp_metrics_filter_policy_reloads_total{source="directory",result="failure"} 1',
      (metrics) => {
        metrics.policyReload('directory', 'failure');
      },
    ],
    [
      'kcp_metrics_filter_file_reloads_total{flag="--client-ca-file",result="success"} 1',
      (metrics) => {
        metrics.fileReload('--client-ca-file', 'success');
      },
    ],
    [
      'kcp_metrics_filter_file_reloads_total{flag="--client-ca-file",result="failure"} 0',
      (metrics) => {
        metrics.fileFollowed('--client-ca-file');
      },
    ],
    [
      'kcp_metrics_filter_key_downloads_total{flag="--oidc-issuer-url",result="failure"} 1',
      (metrics) => {
        metrics.keyRefresh('--oidc-issuer-url', 'failure');
      },
    ],
    [
      'kcp_metrics_filter_filtered_scrapes_total{result="abandoned"} 1',
      (metrics) => {
        metrics.filteredScrape('abandoned', {});
      },
    ],
    [
      'kcp_metrics_filter_dropped_series_total{reason="no-mapping"} 7',
      (metrics) => {
        metrics.filteredScrape('success', { 'no-mapping': 7, duplicate: 0 });
      },
    ],
    [
      'kcp_metrics_filter_forbidden_requests_total 1',
      (metrics) => {
        metrics.forbidden();
      },
    ],
    [
      'kcp_metrics_filter_limited_requests_total{by="identity"} 1',
      (metrics) => {
        metrics.limitedRequest('identity');
      },
    ],
    [
      'kcp_metrics_filter_refused_connections_total 1',
      (metrics) => {
        metrics.refusedConnection();
      },
    ],
    [
      'kcp_metrics_filter_maintenance 1',
      (metrics) => {
        metrics.maintenance(true);
      },
    ],
    [
      'kcp_metrics_filter_maintenance_refused_scrapes_total 1',
      (metrics) => {
        metrics.refusedInMaintenance();
      },
    ],
  ])('is %s', async (line, tell) => {
    expect(await linesAfter(tell)).toContain(line);
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

  it('shows at first nothing but what has no labels: those are words that have happened', async () => {
    expect((await linesAfter()).toSorted()).toEqual([
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
      'authentication_attempts',
      'authentication_duration_seconds',
      'kcp_metrics_filter_dropped_series_total',
      'kcp_metrics_filter_file_reloads_total',
      'kcp_metrics_filter_filtered_scrapes_total',
      'kcp_metrics_filter_forbidden_requests_total',
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
    ]);
    expect(metrics.filter(({ help }) => help === '')).toEqual([]);
    expect(await seriesOf(registry)).toHaveLength(8);
  });

  it('stands in a registry once', () => {
    const registry = new Registry();
    new FilterMetrics(registry);
    expect(() => new FilterMetrics(registry)).toThrow('already been registered');
  });
});
