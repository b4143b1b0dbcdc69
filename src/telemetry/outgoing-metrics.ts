import type { LeftOut, MemberFault } from '../exposition/merging/merging-options.js';
import type { TenantFault } from '../exposition/exposition-errors.js';
import type { RequestObservation } from '../kubernetes/api-client.js';
import type { VirtualClusterStatus } from '../kubernetes/virtual-cluster.js';
import type { Registry } from 'prom-client';
import { adds, counts, gauge, observes, recorder, register } from './metric-table.js';

/** Requests to API servers, under the names and buckets of Kubernetes' client. */
export class RestClientMetrics extends recorder({
  requested: counts<[code: string, method: string, host: string]>(
    'rest_client_requests_total{code,method,host}',
    'Number of HTTP requests, partitioned by status code, method, and host.',
  ),
  requestedIn: observes<[verb: string, host: string]>(
    'rest_client_request_duration_seconds{verb,host}',
    [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60],
    'Request latency in seconds. Broken down by verb, and host.',
  ),
}) {
  request({ code, method, host, seconds }: RequestObservation): void {
    this.requested(code, method, host);
    if (seconds !== undefined) this.requestedIn(seconds, method, host);
  }
}

/** `authn`: a TokenReview; `authz`: a SubjectAccessReview. */
export type ReviewPurpose = 'authn' | 'authz';

/** Kubernetes' buckets. */
const reviewBuckets = [0.25, 0.5, 0.7, 1, 1.5, 3, 5, 10];

const server = { authn: 'authentication', authz: 'authorization' };

function requestsTo(type: ReviewPurpose) {
  return counts<[code: string]>(
    `apiserver_delegated_${type}_request_total{code}`,
    `Number of HTTP requests to the ${server[type]} server, partitioned by status code.`,
  );
}

function durationsOf(type: ReviewPurpose) {
  return observes<[code: string]>(
    `apiserver_delegated_${type}_request_duration_seconds{code}`,
    reviewBuckets,
    `Request latency in seconds of requests to the ${server[type]} server. Broken down by status code.`,
  );
}

/** Reviews by another server, under the names that Kubernetes has for delegated authentication and authorization. */
export class ReviewMetrics extends recorder({
  authn: requestsTo('authn'),
  authz: requestsTo('authz'),
  authnIn: durationsOf('authn'),
  authzIn: durationsOf('authz'),
  tokenCache: counts<['hit' | 'miss']>(
    'authentication_token_cache_request_total{status}',
    'Look-ups of tokens in the cache of reviews, by status: hit or miss.',
  ),
  decisionCache: counts<['hit' | 'miss' | 'stale']>(
    'kcp_metrics_filter_authorization_webhook_cache_total{status}',
    'Look-ups in the cache of SubjectAccessReviews, by status: hit, miss, or stale where the server did not answer and an earlier allow was used.',
  ),
  unasked: counts<[type: ReviewPurpose, cause: 'outage' | 'overload']>(
    'kcp_metrics_filter_reviews_not_asked_total{type,cause}',
    'Reviews that were not sent, by cause: outage or overload.',
  ),
  failure: counts<[type: ReviewPurpose]>(
    'kcp_metrics_filter_review_failures_total{type}',
    'Reviews that were not answered; the log says why.',
  ),
}) {
  request(type: ReviewPurpose, { code, seconds }: { readonly code: string; readonly seconds: number }): void {
    this[type](code);
    this[`${type}In`](seconds, code);
  }
}

/** The pods of the virtual cluster whose series are served, as they are read at each scrape. */
export class VirtualClusterMetrics extends recorder({
  followed: counts<[method: string, result: string]>(
    'kcp_metrics_filter_virtual_cluster_watches_total{method,result}',
    "Lists and watches of the virtual cluster's pods on its host, by how they ended.",
  ),
}) {
  constructor(registry: Registry, status: () => VirtualClusterStatus) {
    super(registry);
    // Each of several workers follows all pods.
    const known = (name: string, help: string, value: (known: VirtualClusterStatus) => number) =>
      gauge(`kcp_metrics_filter_virtual_cluster_${name}`, help, {
        aggregator: 'max',
        read: () => [[{}, value(status())]],
      });
    register(registry, {
      age: known(
        'age_seconds',
        "Time since the virtual cluster's pods were last in sync with its host; 0 while they are.",
        ({ ageMs }) => ageMs / 1000,
      ),
      pods: known('pods', 'Pods of the virtual cluster whose series are served.', ({ pods }) => pods),
      nameless: known(
        'nameless_pods',
        'Pods of the virtual cluster left out since their annotations name no pod, or one that others name, too.',
        ({ nameless }) => nameless,
      ),
    });
  }
}

/** Failures of upstreams. `upstream` is the name in the configuration, or the path that serves it alone. */
export class UpstreamMetrics extends recorder({
  failure: counts<[upstream: string, reason: MemberFault]>(
    'kcp_metrics_filter_upstream_failures_total{upstream,reason}',
    'Scrapes that did not get all of an upstream, by upstream and reason; the log says more.',
  ),
  unmerged: adds<[upstream: string, reason: string]>(
    'kcp_metrics_filter_unmerged_series_total{upstream,reason}',
    'Series of an upstream left out because they contradict those of others, by upstream and reason.',
  ),
  withoutTenant: counts<[reason: TenantFault]>(
    'kcp_metrics_filter_scrapes_without_tenant_total{reason}',
    'Scrapes refused because their tenant could not be determined, by reason.',
  ),
}) {
  leftOut({ member, cause, series }: LeftOut): void {
    this.unmerged(series, member, cause);
  }
}
