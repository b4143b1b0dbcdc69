import { Counter, type Registry } from 'prom-client';

/** What becomes of audit events, under kube-apiserver's names. */
export class AuditMetrics {
  readonly #events: Counter;
  readonly #errors: Counter<'plugin'>;

  /** @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry) {
    const registers = [registry];
    this.#events = new Counter({
      name: 'apiserver_audit_event_total',
      help: 'Counter of audit events generated and sent to the audit backend.',
      registers,
    });
    this.#errors = new Counter({
      name: 'apiserver_audit_error_total',
      help: 'Counter of audit events that failed to be audited properly: not written (plugin log), or dropped since too many waited (buffered).',
      labelNames: ['plugin'],
      registers,
    });
    // An alert on its rate needs the series before the first loss.
    for (const plugin of ['log', 'buffered']) this.#errors.inc({ plugin }, 0);
  }

  event(): void {
    this.#events.inc();
  }

  lost(count: number, plugin: 'log' | 'buffered'): void {
    this.#errors.inc({ plugin }, count);
  }
}
