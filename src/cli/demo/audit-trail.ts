import { EventEmitter, once } from 'node:events';
import type { AuditEvent, AuditSink } from '../../request/steps/audit.js';

const timeoutMs = 5000;

/** What the servers noted about each request, to be had by its audit id. */
export class AuditTrail {
  readonly #events = new Map<string, AuditEvent>();
  readonly #arrivals = new EventEmitter();

  readonly add: AuditSink = (event) => {
    this.#events.set(event.auditId, event);
    this.#arrivals.emit(event.auditId);
  };

  /** Waits for it: a server writes its event when the answer is out. Rejects after 5 s. */
  async eventOf(auditId: string): Promise<AuditEvent | undefined> {
    if (!this.#events.has(auditId)) {
      await once(this.#arrivals, auditId, { signal: AbortSignal.timeout(timeoutMs) });
    }
    return this.#events.get(auditId);
  }
}
