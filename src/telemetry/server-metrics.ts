import type { Registry } from 'prom-client';
import { adds, counts, gauge, recorder, register } from './metric-table.js';

/** Audit events written and lost, under kube-apiserver's names. */
export class AuditMetrics extends recorder({
  event: counts(
    'apiserver_audit_event_total',
    'Counter of audit events generated and sent to the audit backend.',
  ),
  lost: adds<[plugin: 'log' | 'buffered']>(
    'apiserver_audit_error_total{plugin}',
    'Counter of audit events that failed to be audited properly: not written (plugin log), or dropped because the buffer was full (buffered).',
  ),
}) {
  constructor(registry: Registry) {
    super(registry);
    // An alert on the rate needs the series to exist before the first loss.
    this.lost(0, 'log');
    this.lost(0, 'buffered');
  }
}

/** Recorded by the process that starts the workers. */
export class WorkerMetrics extends recorder({
  workers: gauge('kcp_metrics_filter_workers', 'Workers that are running.'),
  restarted: counts('kcp_metrics_filter_worker_restarts_total', 'Workers started to replace one that ended.'),
  missingReport: counts<[cause: string, served: string]>(
    'kcp_metrics_filter_missing_worker_reports_total{cause,served}',
    "Scrapes without a worker's current metrics, by cause and by what was served instead.",
  ),
}) {
  running(count: number): void {
    this.workers.set(count);
  }
}

/** The certificate of a file; of several, the one that expires first. */
export interface CertificateStatus {
  readonly flag: string;
  /** As given to the flag; empty for a certificate that exists in memory only. */
  readonly file: string;
  /** Milliseconds since the epoch; undefined if unknown. */
  readonly expiresAt: number | undefined;
}

/**
 * Shows when the certificates in force expire, read at each scrape. As a timestamp, since Prometheus' base unit is the
 * second; `(… - time()) / 86400` gives the days left.
 *
 * @throws Error where the registry already holds the name.
 */
export function registerCertificateMetrics(
  registry: Registry,
  certificates: readonly CertificateStatus[],
): void {
  register(registry, {
    expirations: gauge(
      'kcp_metrics_filter_certificate_expiration_timestamp_seconds',
      'When the first certificate of a file expires, in seconds since the epoch, by flag and file.',
      {
        labels: ['flag', 'file'],
        // Of several workers, each reads the files.
        aggregator: 'min',
        read: () =>
          certificates.map(({ flag, file, expiresAt }) => [{ flag, file }, expiresAt && expiresAt / 1000]),
      },
    ),
  });
}

/** Told the result of each check that an endpoint runs, but not of one requested alone; `name` as in `/readyz/<name>`. */
export type HealthObserver = (result: {
  readonly name: string;
  readonly type: 'healthz' | 'livez' | 'readyz';
  readonly ok: boolean;
}) => void;

const maxCheckNames = 100;

/**
 * Kubernetes' `/metrics/slis` (k8s.io/component-base, metrics/prometheus/slis): the last result of each check, and
 * how often each occurred. As there, report the checks that `/livez`, `/readyz` or `/healthz` run, but not those that a
 * request excludes or asks for alone. Beyond a hundred names, checks are `other`.
 *
 * @throws Error where the registry already holds one of the names.
 */
export function healthcheckMetrics(registry: Registry): HealthObserver {
  const metrics = register(registry, {
    // Of several workers: healthy only if all are.
    last: gauge('kubernetes_healthcheck', 'This metric records the result of a single healthcheck.', {
      labels: ['name', 'type'],
      aggregator: 'min',
    }),
    count: counts<[name: string, type: string, status: string]>(
      'kubernetes_healthchecks_total{name,type,status}',
      'This metric records the results of all healthcheck.',
    ),
  });
  const names = new Set<string>();
  return ({ name: checked, type, ok }) => {
    if (names.size < maxCheckNames) names.add(checked);
    const name = names.has(checked) ? checked : 'other';
    metrics.last.set({ name, type }, ok ? 1 : 0);
    metrics.count(name, type, ok ? 'success' : 'error');
  };
}
