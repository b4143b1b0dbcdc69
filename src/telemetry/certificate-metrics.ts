import { Gauge, type Registry } from 'prom-client';

/** One that stands in a file, or the one of several that expires first. */
export interface ExpiringCertificate {
  readonly flag: string;
  /** As the flag names it; empty for one that is held in memory alone. */
  readonly file: string;
  /** Milliseconds since the epoch; undefined where it cannot be told. */
  readonly expiresAt: () => number | undefined;
}

/**
 * Shows when the certificates in force expire, read at each scrape. As a moment and not as days left: Prometheus'
 * names know seconds alone, and `(… - time()) / 86400` is the days.
 *
 * @throws Error where the registry already holds the name.
 */
export function registerCertificateMetrics(
  registry: Registry,
  certificates: readonly ExpiringCertificate[],
): void {
  new Gauge({
    name: 'kcp_metrics_filter_certificate_expiration_timestamp_seconds',
    help: 'When the first certificate of a file in force expires, in seconds since the epoch, by flag and file.',
    // Of several workers, each reads the files.
    aggregator: 'min',
    labelNames: ['flag', 'file'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { flag, file, expiresAt } of certificates) {
        const time = expiresAt();
        if (time !== undefined) this.set({ flag, file }, time / 1000);
      }
    },
  });
}
