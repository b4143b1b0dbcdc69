import { Counter, Gauge, type Registry } from 'prom-client';

const prefix = 'kcp_metrics_filter';

/** What the process that starts workers tells of them. */
export class WorkerMetrics {
  readonly #running: Gauge;
  readonly #restarts: Counter;
  readonly #missingReports: Counter<'cause' | 'served'>;

  /** @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry) {
    const registers = [registry];
    this.#running = new Gauge({
      name: `${prefix}_workers`,
      help: 'Workers that are running.',
      registers,
    });
    this.#restarts = new Counter({
      name: `${prefix}_worker_restarts_total`,
      help: 'Workers that were started in the place of one that ended.',
      registers,
    });
    this.#missingReports = new Counter({
      name: `${prefix}_missing_worker_reports_total`,
      help: "Scrapes without a worker's metrics of that moment, by cause and by what was served in their place.",
      labelNames: ['cause', 'served'],
      registers,
    });
  }

  running(count: number): void {
    this.#running.set(count);
  }

  restarted(): void {
    this.#restarts.inc();
  }

  missingReport({ cause, served }: { readonly cause: string; readonly served: string }): void {
    this.#missingReports.inc({ cause, served });
  }
}
