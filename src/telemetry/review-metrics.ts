import { Counter, Histogram, type Registry } from 'prom-client';

/** What is asked of another server: who somebody is (`authn`), or what he may do (`authz`). */
export type ReviewPurpose = 'authn' | 'authz';

const prefix = 'kcp_metrics_filter';
/** Kubernetes' own. */
const buckets = [0.25, 0.5, 0.7, 1, 1.5, 3, 5, 10];

/** Questions to other servers, under the names of a Kubernetes server that delegates. */
export class ReviewMetrics {
  readonly #requests: Readonly<Record<ReviewPurpose, Counter<'code'>>>;
  readonly #requestSeconds: Readonly<Record<ReviewPurpose, Histogram<'code'>>>;
  readonly #tokenCache: Counter<'status'>;
  readonly #decisionCache: Counter<'status'>;
  readonly #unasked: Counter<'type' | 'cause'>;
  readonly #failures: Counter<'type'>;

  /** @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry) {
    const registers = [registry];
    const requests = (purpose: ReviewPurpose, what: string): Counter<'code'> =>
      new Counter({
        name: `apiserver_delegated_${purpose}_request_total`,
        help: `Number of HTTP requests to ${what}, partitioned by status code.`,
        labelNames: ['code'],
        registers,
      });
    const requestSeconds = (purpose: ReviewPurpose, what: string): Histogram<'code'> =>
      new Histogram({
        name: `apiserver_delegated_${purpose}_request_duration_seconds`,
        help: `Request latency in seconds of requests to ${what}. Broken down by status code.`,
        labelNames: ['code'],
        buckets,
        registers,
      });
    const [authn, authz] = ['the authentication server', 'the authorization server'];
    this.#requests = { authn: requests('authn', authn), authz: requests('authz', authz) };
    this.#requestSeconds = { authn: requestSeconds('authn', authn), authz: requestSeconds('authz', authz) };
    this.#tokenCache = new Counter({
      name: 'authentication_token_cache_request_total',
      help: 'Tokens looked for among those that were reviewed, by whether they were found.',
      labelNames: ['status'],
      registers,
    });
    this.#decisionCache = new Counter({
      name: `${prefix}_authorization_webhook_cache_total`,
      help: 'Questions looked for among those that were reviewed: hit, miss, or stale where an earlier allow stood in for an answer that did not come.',
      labelNames: ['status'],
      registers,
    });
    this.#unasked = new Counter({
      name: `${prefix}_reviews_not_asked_total`,
      help: 'Questions that were not put to the other server, by cause: outage or overload.',
      labelNames: ['type', 'cause'],
      registers,
    });
    this.#failures = new Counter({
      name: `${prefix}_review_failures_total`,
      help: 'Questions that got no answer; the log says why.',
      labelNames: ['type'],
      registers,
    });
  }

  request(type: ReviewPurpose, { code, seconds }: { readonly code: string; readonly seconds: number }): void {
    this.#requests[type].inc({ code });
    this.#requestSeconds[type].observe({ code }, seconds);
  }

  unasked(type: ReviewPurpose, cause: 'outage' | 'overload'): void {
    this.#unasked.inc({ type, cause });
  }

  failure(type: ReviewPurpose): void {
    this.#failures.inc({ type });
  }

  tokenCache(status: 'hit' | 'miss'): void {
    this.#tokenCache.inc({ status });
  }

  decisionCache(status: 'hit' | 'miss' | 'stale'): void {
    this.#decisionCache.inc({ status });
  }
}
