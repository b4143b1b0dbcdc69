import type { LeftOut, MemberFault } from '../exposition/merging/merging-options.js';
import type { TenantFault } from '../exposition/exposition-errors.js';
import type { Registry } from 'prom-client';
import { counter, histogram, register } from './metric-table.js';

/** One request to an API server; `code` is the status, or `<error>` where none came. A watch has no duration. */
export interface ObservedRequest {
  readonly code: string;
  readonly method: string;
  readonly host: string;
  readonly seconds: number | undefined;
}

const restTable = {
  rest_client_requests_total: counter(
    'Number of HTTP requests, partitioned by status code, method, and host.',
    ['code', 'method', 'host'],
  ),
  rest_client_request_duration_seconds: histogram(
    [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60],
    'Request latency in seconds. Broken down by verb, and host.',
    ['verb', 'host'],
  ),
};

/** Requests to API servers, under the names and buckets of Kubernetes' client. */
export class RestClientMetrics {
  readonly #metrics;

  /** @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry) {
    this.#metrics = register(registry, restTable);
  }

  request({ code, method, host, seconds }: ObservedRequest): void {
    this.#metrics.rest_client_requests_total.inc({ code, method, host });
    if (seconds !== undefined)
      this.#metrics.rest_client_request_duration_seconds.observe({ verb: method, host }, seconds);
  }
}

/** What is asked of another server: who sends a request (`authn`), or what a user may do (`authz`). */
export type ReviewPurpose = 'authn' | 'authz';

/** Kubernetes' own. */
const reviewBuckets = [0.25, 0.5, 0.7, 1, 1.5, 3, 5, 10];

const reviewTable = {
  apiserver_delegated_authn_request_total: counter(
    'Number of HTTP requests to the authentication server, partitioned by status code.',
    ['code'],
  ),
  apiserver_delegated_authz_request_total: counter(
    'Number of HTTP requests to the authorization server, partitioned by status code.',
    ['code'],
  ),
  apiserver_delegated_authn_request_duration_seconds: histogram(
    reviewBuckets,
    'Request latency in seconds of requests to the authentication server. Broken down by status code.',
    ['code'],
  ),
  apiserver_delegated_authz_request_duration_seconds: histogram(
    reviewBuckets,
    'Request latency in seconds of requests to the authorization server. Broken down by status code.',
    ['code'],
  ),
  authentication_token_cache_request_total: counter(
    'Tokens looked for among those that were reviewed, by whether they were found.',
    ['status'],
  ),
  kcp_metrics_filter_authorization_webhook_cache_total: counter(
    'Questions looked for among those that were reviewed: hit, miss, or stale where an earlier allow stood in for an answer that did not come.',
    ['status'],
  ),
  kcp_metrics_filter_reviews_not_asked_total: counter(
    'Questions that were not put to the other server, by cause: outage or overload.',
    ['type', 'cause'],
  ),
  kcp_metrics_filter_review_failures_total: counter('Questions that got no answer; the log says why.', [
    'type',
  ]),
};

/** Questions to other servers, under the names of a Kubernetes server that delegates. */
export class ReviewMetrics {
  readonly #metrics;

  /** @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry) {
    this.#metrics = register(registry, reviewTable);
  }

  request(type: ReviewPurpose, { code, seconds }: { readonly code: string; readonly seconds: number }): void {
    this.#metrics[`apiserver_delegated_${type}_request_total`].inc({ code });
    this.#metrics[`apiserver_delegated_${type}_request_duration_seconds`].observe({ code }, seconds);
  }

  unasked(type: ReviewPurpose, cause: 'outage' | 'overload'): void {
    this.#metrics.kcp_metrics_filter_reviews_not_asked_total.inc({ type, cause });
  }

  failure(type: ReviewPurpose): void {
    this.#metrics.kcp_metrics_filter_review_failures_total.inc({ type });
  }

  tokenCache(status: 'hit' | 'miss'): void {
    this.#metrics.authentication_token_cache_request_total.inc({ status });
  }

  decisionCache(status: 'hit' | 'miss' | 'stale'): void {
    this.#metrics.kcp_metrics_filter_authorization_webhook_cache_total.inc({ status });
  }
}

const upstreamTable = {
  kcp_metrics_filter_upstream_failures_total: counter(
    'Scrapes that got nothing of an upstream, or not all of it, by upstream and reason; the log says more.',
    ['upstream', 'reason'],
  ),
  kcp_metrics_filter_unmerged_series_total: counter(
    'Series of an upstream that were left out beside those of others, by upstream and reason.',
    ['upstream', 'reason'],
  ),
  kcp_metrics_filter_scrapes_without_tenant_total: counter(
    'Scrapes that were refused since their tenant was not sure, by reason.',
    ['reason'],
  ),
};

/**
 * What went wrong with upstreams. They are called as the configuration calls them: by a name, or by the path that
 * serves one alone.
 */
export class UpstreamMetrics {
  readonly #metrics;

  /** @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry) {
    this.#metrics = register(registry, upstreamTable);
  }

  failure(upstream: string, reason: MemberFault): void {
    this.#metrics.kcp_metrics_filter_upstream_failures_total.inc({ upstream, reason });
  }

  withoutTenant(fault: TenantFault): void {
    this.#metrics.kcp_metrics_filter_scrapes_without_tenant_total.inc({ reason: fault });
  }

  leftOut({ member, cause, series }: LeftOut): void {
    this.#metrics.kcp_metrics_filter_unmerged_series_total.inc({ upstream: member, reason: cause }, series);
  }
}
