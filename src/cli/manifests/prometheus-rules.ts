import { audit } from '../../options/audit-options.js';
import { delivery } from '../../options/exposition-options.js';
import { maintenance } from '../../options/maintenance-options.js';
import { policy } from '../../options/policy-options.js';
import { limits } from '../../options/serving-options.js';
import { type Manifest, metadataOf, type ManifestFile } from './printed-manifest.js';
import type { ManifestNames } from './configured-server.js';

const prefix = 'kcp_metrics_filter';
const at = '{{ $labels.instance }}';

/** For the Prometheus operator; the spec alone is a file of rules for any Prometheus. */
export function prometheusRules(names: ManifestNames): ManifestFile {
  return {
    comment: ['The spec alone is a file of rules: rule_files of prometheus.yml names it.'],
    documents: [
      {
        apiVersion: 'monitoring.coreos.com/v1',
        kind: 'PrometheusRule',
        metadata: metadataOf(names),
        spec: { groups: ruleGroups(names) },
      },
    ],
  };
}

function ruleGroups({ name }: ManifestNames): readonly Manifest[] {
  // The job of each path begins with the name: see scrapeJob. For metrics whose names others have, too.
  const jobs = `job=~"${name}(-.+)?"`;
  const alerts = [...scrapeAlerts(jobs), ...clientAlerts(jobs), ...dependencyAlerts(jobs)];
  return [
    { name: `${name}.recording`, rules: recordingRules(jobs) },
    { name: `${name}.alerting`, rules: alerts.map(ruleOf) },
  ];
}

/** What the dashboard and people ask for often. */
function recordingRules(jobs: string): readonly Manifest[] {
  const quantile = (which: number): string =>
    `histogram_quantile(0.${which}, sum by (job, instance, le) (rate(${prefix}_scrape_duration_seconds_bucket[5m])))`;
  return [
    { record: `job_instance:${prefix}_scrape_duration_seconds:p50_rate5m`, expr: quantile(50) },
    { record: `job_instance:${prefix}_scrape_duration_seconds:p99_rate5m`, expr: quantile(99) },
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

interface Alert {
  readonly alert: string;
  readonly expr: string;
  /** How long it has to be so. Default: no time. */
  readonly for?: string;
  /** How soon somebody has to look: now, or on a working day. Default warning. */
  readonly severity?: 'critical' | 'warning';
  readonly summary: string;
  /** What it means, and what to look at. */
  readonly description: string;
}

function ruleOf({ alert, expr, for: time, severity = 'warning', summary, description }: Alert): Manifest {
  return {
    alert,
    expr,
    ...(time && { for: time }),
    labels: { severity },
    annotations: { summary, description },
  };
}

function scrapeAlerts(jobs: string): readonly Alert[] {
  return [
    {
      alert: 'KcpMetricsFilterDown',
      expr: `up{${jobs}} == 0`,
      for: '5m',
      severity: 'critical',
      summary: `The metrics of ${at} cannot be scraped.`,
      description:
        'The page of targets says why: 401 and 403 are for the scraper (its credentials, its ClusterRoleBinding), 429 for a limit, 502 and 504 for the upstream, 503 for the policy, for maintenance or for too many scrapes at once.',
    },
    {
      alert: 'KcpMetricsFilterMissing',
      expr: `absent(up{${jobs}})`,
      for: '10m',
      severity: 'critical',
      summary: 'There is no target of kcp-metrics-filter.',
      description: 'Its scrape job finds no target: look at the labels that select it.',
    },
    {
      alert: 'KcpMetricsFilterScrapesRefused',
      expr: `increase(${prefix}_refused_scrapes_total[10m]) > 0`,
      for: '10m',
      summary: `${at} has refused {{ $value | humanize }} scrapes in ten minutes.`,
      description: `As many expositions are being rendered as ${delivery.options.maxScrapesInFlight.name} allows: there are more scrapers than were planned for, or rendering has become slow.`,
    },
    {
      alert: 'KcpMetricsFilterScrapesFail',
      expr: `sum by (job, instance) (increase(${prefix}_scrape_duration_seconds_count{result="failure"}[10m])) > 0`,
      for: '10m',
      summary: `Scrapes of ${at} fail.`,
      description:
        'An exposition could not be rendered or passed on; the log says why, under the Audit-Id of the answer.',
    },
    {
      alert: 'KcpMetricsFilterMaintenanceForgotten',
      expr: `${prefix}_maintenance == 1`,
      for: '2h',
      summary: `Some scrapes of ${at} have been stopped for maintenance for two hours.`,
      description: `The file of ${maintenance.options.maintenanceFile.name} is still there: they go on as soon as it is removed. Where this Prometheus is stopped, too, it is KcpMetricsFilterDown that says so.`,
    },
  ];
}

function clientAlerts(jobs: string): readonly Alert[] {
  return [
    {
      alert: 'KcpMetricsFilterCredentialsRefused',
      expr: `sum by (job, instance) (increase(authentication_attempts{${jobs}, result=~"failure|error"}[10m])) > 10`,
      for: '10m',
      summary: `${at} has answered {{ $value | humanize }} requests with 401 in ten minutes.`,
      description:
        'A scraper has the wrong credentials, or expired ones, or somebody is guessing; the log says which method refused them, and why.',
    },
    {
      alert: 'KcpMetricsFilterRequestsForbidden',
      expr: `increase(${prefix}_forbidden_requests_total[10m]) > 10`,
      for: '10m',
      summary: `${at} has answered {{ $value | humanize }} requests with 403 in ten minutes.`,
      description:
        'A client that is authenticated asks for what it is not granted: a scraper whose ClusterRoleBinding is missing, or lacks the annotation internal.kcp.io/replicate. The log says who.',
    },
    {
      alert: 'KcpMetricsFilterRequestsLimited',
      expr: `sum by (job, instance, by) (increase(${prefix}_limited_requests_total[10m])) > 10`,
      for: '10m',
      summary: `${at} has answered {{ $value | humanize }} requests with 429 in ten minutes.`,
      description:
        'An {{ $labels.by }} sends more than --max-requests-per-second-by-{{ $labels.by }} allows; the log says which.',
    },
    {
      alert: 'KcpMetricsFilterConnectionsRefused',
      expr: `increase(${prefix}_refused_connections_total[10m]) > 0`,
      for: '10m',
      summary: `${at} has closed {{ $value | humanize }} connections in ten minutes before they were served.`,
      description: `As many are open as ${limits.options.maxConnections.name} or ${limits.options.maxConnectionsByAddress.name} allows: somebody opens them and does not close them, or there are more scrapers than were planned for. Or TLS handshakes from one address cost too much (${limits.options.maxHandshakeTimeByAddress.name}): the log names it.`,
    },
    {
      alert: 'KcpMetricsFilterHeadersSpoofed',
      expr: `increase(${prefix}_spoofed_headers_total[10m]) > 0`,
      summary: `Somebody sends ${at} the headers of a front proxy.`,
      description:
        'The client is no front proxy, and the headers were ignored. A front proxy whose certificate has expired looks the same.',
    },
    {
      alert: 'KcpMetricsFilterAuditEventsLost',
      expr: `sum by (job, instance, plugin) (increase(apiserver_audit_error_total{${jobs}}[10m])) > 0`,
      severity: 'critical',
      summary: `${at} has lost {{ $value | humanize }} audit events in ten minutes.`,
      description: `The plugin buffered has dropped them, because too many waited; log could not write them: look at the disk of ${audit.options.auditLogPath.name}.`,
    },
  ];
}

function dependencyAlerts(jobs: string): readonly Alert[] {
  return [
    {
      alert: 'KcpMetricsFilterCertificateExpiresSoon',
      expr: `0 < ${prefix}_certificate_expiration_timestamp_seconds - time() < 14 * 86400`,
      summary: `The certificate of {{ $labels.flag }} at ${at} expires in {{ $value | humanizeDuration }}.`,
      description: 'It is in {{ $labels.file }}. The file is followed: a new one is used without a restart.',
    },
    {
      alert: 'KcpMetricsFilterCertificateExpired',
      expr: `${prefix}_certificate_expiration_timestamp_seconds - time() <= 0`,
      severity: 'critical',
      summary: `The certificate of {{ $labels.flag }} at ${at} has expired.`,
      description: 'It is in {{ $labels.file }}. The file is followed: a new one is used without a restart.',
    },
    {
      alert: 'KcpMetricsFilterFileRefused',
      expr: `increase(${prefix}_file_reloads_total{result="failure"}[15m]) > 0`,
      summary: `${at} could not use a new file of {{ $labels.flag }}.`,
      description: 'The previous one stays in use; the log says what is wrong with the new one.',
    },
    {
      alert: 'KcpMetricsFilterPolicyStale',
      expr: `${prefix}_policy_state{state="stale"} == 1 and ignoring (state) ${prefix}_policy_in_force == 1`,
      for: '10m',
      summary: `${at} decides on a policy of {{ $labels.layer }} that may be old.`,
      description: `Its source cannot be reached, or a manifest of it cannot be used: users who were revoked since then still get in, users who were granted access do not. With ${policy.options.maxPolicyStaleness.name}, scrapes end in 503 when the time is over.`,
    },
    {
      alert: 'KcpMetricsFilterApiServerUnreachable',
      expr: `sum by (job, instance, host) (rate(rest_client_requests_total{${jobs}, code="<error>"}[5m])) > 0`,
      for: '10m',
      summary: `${at} gets no answer from {{ $labels.host }}.`,
      description:
        'Requests to the API server end without a status. Scrapes go on with the policy as it was last seen.',
    },
    {
      alert: 'KcpMetricsFilterReviewsUnanswered',
      expr: `sum by (job, instance, type) (increase(${prefix}_review_failures_total[10m])) > 0`,
      for: '10m',
      summary: `${at} gets no answer to its {{ $labels.type }} reviews.`,
      description:
        'Those who need one are not served: tokens get 401, and what only another server may decide gets 500.',
    },
    {
      alert: 'KcpMetricsFilterUpstreamDown',
      expr: `${prefix}_upstream_up == 0`,
      for: '5m',
      summary: `The upstream {{ $labels.upstream }} of ${at} is not part of the scrape.`,
      description: 'The metrics of the others are served without it; the log says why.',
    },
    {
      alert: 'KcpMetricsFilterUpstreamFails',
      expr: `sum by (job, instance, upstream, reason) (increase(${prefix}_upstream_failures_total[10m])) > 0`,
      for: '10m',
      summary: `Scrapes of the upstream {{ $labels.upstream }} of ${at} fail: {{ $labels.reason }}.`,
      description: 'The log says more. Where it is the only upstream, the scrape is answered 502 or 504.',
    },
    {
      alert: 'KcpMetricsFilterWorkersRestart',
      expr: `increase(${prefix}_worker_restarts_total[30m]) > 2`,
      summary: `Workers of ${at} end again and again.`,
      description: 'The log has the exit code of each. Out of memory is the usual cause.',
    },
  ];
}
