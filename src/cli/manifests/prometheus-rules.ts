import { audit } from '../../options/audit-options.js';
import { delivery } from '../../options/exposition-options.js';
import { maintenance } from '../../options/maintenance-options.js';
import { policy } from '../../options/policy-options.js';
import { limits } from '../../options/serving-options.js';
import { type Manifest, metadataOf, type ManifestFile } from './printed-manifest.js';
import type { ManifestNames } from './configured-server.js';

const prefix = 'kcp_metrics_filter';
const at = '{{ $labels.instance }}';

export function ruleFile(names: ManifestNames): ManifestFile {
  return { comment: [`For the job ${names.name}.`], documents: [{ groups: ruleGroups(names) }] };
}

/** The same for the Prometheus operator. */
export function prometheusRules(names: ManifestNames): ManifestFile {
  const [apiVersion, kind] = ['monitoring.coreos.com/v1', 'PrometheusRule'];
  const spec = { groups: ruleGroups(names) };
  return { comment: [], documents: [{ apiVersion, kind, metadata: metadataOf(names), spec }] };
}

function ruleGroups({ name, runbookUrl }: ManifestNames): readonly Manifest[] {
  // Restricts metrics that other programs also export to these jobs; scrapeJob names the job of each path after the name.
  const jobs = `job=~"${name}(-.+)?"`;
  const alerts = Object.entries(alertsOf(jobs)).map(
    ([alert, { expr, for: time, severity = 'warning', ...texts }]): Manifest => ({
      alert,
      expr,
      ...(time && { for: time }),
      labels: { severity },
      annotations: { ...texts, ...(runbookUrl && { runbook_url: `${runbookUrl}#${alert.toLowerCase()}` }) },
    }),
  );
  return [
    { name: `${name}.recording`, rules: recordingRules(jobs) },
    { name: `${name}.alerting`, rules: alerts },
  ];
}

/** For the dashboard and for frequent queries. */
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
  readonly expr: string;
  /** How long the condition must hold. Default: 0. */
  readonly for?: string;
  /** critical: act now; warning (default): act on the next working day. */
  readonly severity?: 'critical' | 'warning';
  readonly summary: string;
  readonly description: string;
}

function alertsOf(jobs: string): Readonly<Record<string, Alert>> {
  return {
    KcpMetricsFilterDown: {
      expr: `up{${jobs}} == 0`,
      for: '5m',
      severity: 'critical',
      summary: `The metrics of ${at} cannot be scraped.`,
      description:
        'The targets page shows why: 401 and 403 point to the scraper (its credentials, its ClusterRoleBinding), 429 to a limit, 502 and 504 to the upstream, 503 to the policy, to maintenance or to too many concurrent scrapes.',
    },
    KcpMetricsFilterMissing: {
      expr: `absent(up{${jobs}})`,
      for: '10m',
      severity: 'critical',
      summary: 'There is no target of kcp-metrics-filter.',
      description: 'Its scrape job finds no targets: check the labels that select them.',
    },
    KcpMetricsFilterScrapesRefused: {
      expr: `increase(${prefix}_refused_scrapes_total[10m]) > 0`,
      for: '10m',
      summary: `${at} has refused {{ $value | humanize }} scrapes in ten minutes.`,
      description: `The limit of concurrent renderings (${delivery.options.maxScrapesInFlight.name}) is reached: there are more scrapers than planned, or rendering has become slow.`,
    },
    KcpMetricsFilterScrapesFail: {
      expr: `sum by (job, instance) (increase(${prefix}_scrape_duration_seconds_count{result="failure"}[10m])) > 0`,
      for: '10m',
      summary: `Scrapes of ${at} fail.`,
      description:
        'An exposition could not be rendered or proxied; the log shows why, under the Audit-Id of the response.',
    },
    KcpMetricsFilterMaintenanceForgotten: {
      expr: `${prefix}_maintenance == 1`,
      for: '2h',
      summary: `Some scrapes of ${at} have been refused for maintenance for two hours.`,
      description: `The file of ${maintenance.options.maintenanceFile.name} still exists: remove it to end maintenance. If this Prometheus is refused as well, KcpMetricsFilterDown fires instead.`,
    },
    KcpMetricsFilterCredentialsRefused: {
      expr: `sum by (job, instance) (increase(authentication_attempts{${jobs}, result=~"failure|error"}[10m])) > 10`,
      for: '10m',
      summary: `${at} has answered {{ $value | humanize }} requests with 401 in ten minutes.`,
      description:
        'A scraper has wrong or expired credentials, or someone is guessing them; the log shows which authenticator refused them and why.',
    },
    KcpMetricsFilterRequestsForbidden: {
      expr: `increase(${prefix}_forbidden_requests_total[10m]) > 10`,
      for: '10m',
      summary: `${at} has answered {{ $value | humanize }} requests with 403 in ten minutes.`,
      description:
        'An authenticated client requests what it may not read, for example a scraper whose ClusterRoleBinding is missing or lacks the annotation internal.kcp.io/replicate. The log shows who it is.',
    },
    KcpMetricsFilterRequestsLimited: {
      expr: `sum by (job, instance, by) (increase(${prefix}_limited_requests_total[10m])) > 10`,
      for: '10m',
      summary: `${at} has answered {{ $value | humanize }} requests with 429 in ten minutes.`,
      description:
        'An {{ $labels.by }} sends more than --max-requests-per-second-by-{{ $labels.by }} allows; the log shows which one.',
    },
    KcpMetricsFilterConnectionsRefused: {
      expr: `increase(${prefix}_refused_connections_total[10m]) > 0`,
      for: '10m',
      summary: `${at} has closed {{ $value | humanize }} connections in ten minutes before they were served.`,
      description: `A connection limit (${limits.options.maxConnections.name}, ${limits.options.maxConnectionsByAddress.name}) is reached: a client leaves connections open, or there are more scrapers than planned. Or TLS handshakes from one address cost too much CPU time (${limits.options.maxHandshakeTimeByAddress.name}): the log names the address.`,
    },
    KcpMetricsFilterHeadersSpoofed: {
      expr: `increase(${prefix}_spoofed_headers_total[10m]) > 0`,
      summary: `A client that is not a front proxy sends front proxy headers to ${at}.`,
      description: 'The headers were ignored. A front proxy with an expired certificate causes this, too.',
    },
    KcpMetricsFilterAuditEventsLost: {
      expr: `sum by (job, instance, plugin) (increase(apiserver_audit_error_total{${jobs}}[10m])) > 0`,
      severity: 'critical',
      summary: `${at} has lost {{ $value | humanize }} audit events in ten minutes.`,
      description: `Plugin buffered: the buffer was full; plugin log: the events could not be written, so check the disk of ${audit.options.auditLogPath.name}.`,
    },
    KcpMetricsFilterCertificateExpiresSoon: {
      expr: `0 < ${prefix}_certificate_expiration_timestamp_seconds - time() < 14 * 86400`,
      summary: `The certificate of {{ $labels.flag }} at ${at} expires in {{ $value | humanizeDuration }}.`,
      description: 'It is in {{ $labels.file }}. Replace the file; no restart is needed.',
    },
    KcpMetricsFilterCertificateExpired: {
      expr: `${prefix}_certificate_expiration_timestamp_seconds - time() <= 0`,
      severity: 'critical',
      summary: `The certificate of {{ $labels.flag }} at ${at} has expired.`,
      description: 'It is in {{ $labels.file }}. Replace the file; no restart is needed.',
    },
    KcpMetricsFilterFileRefused: {
      expr: `increase(${prefix}_file_reloads_total{result="failure"}[15m]) > 0`,
      summary: `${at} could not reload the file of {{ $labels.flag }}.`,
      description: 'The previous content stays in use; the log shows what is wrong with the new one.',
    },
    KcpMetricsFilterPolicyStale: {
      expr: `${prefix}_policy_state{state="stale"} == 1 and ignoring (state) ${prefix}_policy_in_force == 1`,
      for: '10m',
      summary: `${at} uses a policy of {{ $labels.layer }} that may be out of date.`,
      description: `Its source is unreachable or has an invalid manifest: users whose access was revoked since then still get in, newly granted users do not. With ${policy.options.maxPolicyStaleness.name}, scrapes are answered 503 after that time.`,
    },
    KcpMetricsFilterApiServerUnreachable: {
      expr: `sum by (job, instance, host) (rate(rest_client_requests_total{${jobs}, code="<error>"}[5m])) > 0`,
      for: '10m',
      summary: `${at} gets no answer from {{ $labels.host }}.`,
      description:
        'Requests to the API server fail without a status. Scrapes continue with the last known policy.',
    },
    KcpMetricsFilterReviewsUnanswered: {
      expr: `sum by (job, instance, type) (increase(${prefix}_review_failures_total[10m])) > 0`,
      for: '10m',
      summary: `${at} gets no answer to its {{ $labels.type }} reviews.`,
      description: 'Requests that need a review are refused: tokens get 401, undecided requests get 500.',
    },
    KcpMetricsFilterUpstreamDown: {
      expr: `${prefix}_upstream_up == 0`,
      for: '5m',
      summary: `The upstream {{ $labels.upstream }} of ${at} is not part of the scrape.`,
      description: 'The metrics of the other upstreams are served without it; the log shows why.',
    },
    KcpMetricsFilterUpstreamFails: {
      expr: `sum by (job, instance, upstream, reason) (increase(${prefix}_upstream_failures_total[10m])) > 0`,
      for: '10m',
      summary: `Scrapes of the upstream {{ $labels.upstream }} of ${at} fail: {{ $labels.reason }}.`,
      description: 'The log has details. If it is the only upstream, scrapes are answered 502 or 504.',
    },
    KcpMetricsFilterWorkersRestart: {
      expr: `increase(${prefix}_worker_restarts_total[30m]) > 2`,
      summary: `Workers of ${at} exit repeatedly.`,
      description: 'The log has each exit code. The usual cause is running out of memory.',
    },
  };
}
