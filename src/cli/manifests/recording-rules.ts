import type { Manifest } from './manifest.js';

const prefix = 'kcp_metrics_filter';

/** What the dashboard and people ask for often. `jobs` is the selector of the filter's scrape jobs. */
export function recordingRules(jobs: string): readonly Manifest[] {
  const quantile = (which: number): string =>
    `histogram_quantile(0.${which}, sum by (job, instance, le) (rate(${prefix}_scrape_duration_seconds_bucket[5m])))`;
  return [
    {
      record: `job_instance:${prefix}_scrape_duration_seconds:p50_rate5m`,
      expr: quantile(50),
    },
    {
      record: `job_instance:${prefix}_scrape_duration_seconds:p99_rate5m`,
      expr: quantile(99),
    },
    {
      record: 'job_instance_result:authentication_attempts:rate5m',
      expr: `sum by (job, instance, result) (rate(authentication_attempts{${jobs}}[5m]))`,
    },
    {
      record: 'job_instance_decision:apiserver_authorization_decisions:rate5m',
      expr: `sum by (job, instance, decision) (rate(apiserver_authorization_decisions_total{${jobs}}[5m]))`,
    },
    {
      record: `job_instance:${prefix}_certificate_validity_seconds:min`,
      expr: `min by (job, instance) (${prefix}_certificate_expiration_timestamp_seconds) - time()`,
    },
  ];
}
