import { Counter, Histogram, type Registry } from 'prom-client';
import type { ApiServerObserver } from '../policy/sources/api-server.js';
import type { SnapshotResult } from '../policy/snapshot/snapshot-restore.js';
import { RestClientMetrics } from './rest-client-metrics.js';

const prefix = 'kcp_metrics_filter_policy';

/**
 * What the sources of the policy tell: how lists and watches end, and, under Kubernetes' names and buckets, each
 * request to an API server.
 */
export class PolicySourceMetrics {
  readonly #lists: Counter<'source' | 'kind' | 'method' | 'result'>;
  readonly #watches: Counter<'source' | 'kind' | 'result'>;
  readonly #restarts: Counter<'source' | 'kind'>;
  readonly #applySeconds: Histogram<'source'>;
  readonly #snapshots: Counter<'operation' | 'result'>;
  readonly #requests: RestClientMetrics;

  /** `requests` may be shared with others that ask API servers. @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry, requests = new RestClientMetrics(registry)) {
    const registers = [registry];
    this.#lists = new Counter({
      name: `${prefix}_lists_total`,
      help: 'Lists of a kind of object from an API server, by how they ended.',
      labelNames: ['source', 'kind', 'method', 'result'],
      registers,
    });
    this.#watches = new Counter({
      name: `${prefix}_watches_total`,
      help: 'Watches of a kind of object that ended, by how: closed is what servers do from time to time.',
      labelNames: ['source', 'kind', 'result'],
      registers,
    });
    this.#restarts = new Counter({
      name: `${prefix}_watch_restarts_total`,
      help: 'Lists and watches started anew after a failure.',
      labelNames: ['source', 'kind'],
      registers,
    });
    this.#applySeconds = new Histogram({
      name: `${prefix}_apply_duration_seconds`,
      help: 'From the arrival of a change to the moment decisions are made on it, in seconds.',
      labelNames: ['source'],
      buckets: [0.00001, 0.0001, 0.001, 0.005, 0.025, 0.1, 0.5, 1],
      registers,
    });
    this.#snapshots = new Counter({
      name: `${prefix}_snapshots_total`,
      help: 'Readings and writings of the policy snapshot, by result.',
      labelNames: ['operation', 'result'],
      registers,
    });
    this.#requests = requests;
  }

  /** Counts what one source tells. */
  observerOf(source: string): ApiServerObserver {
    return {
      request: (request) => {
        this.#requests.request(request);
      },
      listed: (kind, method, result) => {
        this.#lists.inc({ source, kind, method, result });
      },
      watched: (kind, result) => {
        this.#watches.inc({ source, kind, result });
      },
      retrying: (kind) => {
        this.#restarts.inc({ source, kind });
      },
      applied: (_kind, seconds) => {
        this.#applySeconds.observe({ source }, seconds);
      },
    };
  }

  snapshot({ operation, result }: SnapshotResult): void {
    this.#snapshots.inc({ operation, result });
  }
}
