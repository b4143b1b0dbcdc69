import { Counter, Histogram, type Registry } from 'prom-client';

/** One request to an API server; `code` is the status, or `<error>` where none came. A watch has no duration. */
export interface ObservedRequest {
  readonly code: string;
  readonly method: string;
  readonly host: string;
  readonly seconds: number | undefined;
}

/** Requests to API servers, under the names and buckets of Kubernetes' client. */
export class RestClientMetrics {
  readonly #requests: Counter<'code' | 'method' | 'host'>;
  readonly #requestSeconds: Histogram<'verb' | 'host'>;

  /** @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'rest_client_requests_total',
      help: 'Number of HTTP requests, partitioned by status code, method, and host.',
      labelNames: ['code', 'method', 'host'],
      registers,
    });
    this.#requestSeconds = new Histogram({
      name: 'rest_client_request_duration_seconds',
      help: 'Request latency in seconds. Broken down by verb, and host.',
      labelNames: ['verb', 'host'],
      buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60],
      registers,
    });
  }

  request({ code, method, host, seconds }: ObservedRequest): void {
    this.#requests.inc({ code, method, host });
    if (seconds !== undefined) this.#requestSeconds.observe({ verb: method, host }, seconds);
  }
}
