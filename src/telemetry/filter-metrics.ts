import type { Registry } from 'prom-client';
import type { ScrapeOrigin } from '../exposition/delivery/shared-exposition.js';
import type { CollectorFailure } from '../exposition/sources/registries/collectors.js';
import { counter, gauge, histogram, register } from './metric-table.js';

/** Kubernetes' own, for authentication and authorization alike: 1 ms and its doubles up to 16.384 s. */
const decisionBuckets = Array.from({ length: 15 }, (_, power) => 2 ** power / 1000);
/** Those that Kubernetes itself tells apart; the names of others are whatever their issuers choose. */
const toldUsernames: ReadonlySet<string> = new Set([
  'admin',
  'client',
  'kube_proxy',
  'kubelet',
  'system:serviceaccount:kube-system:default',
]);
/** As Kubernetes' own counterparts of them, they stand before the authorizers whose decisions are counted. */
const uncounted: ReadonlySet<string> = new Set(['AlwaysAllowGroups', 'AlwaysAllowPaths']);

type DecisionOrError = 'allow' | 'deny' | 'no-opinion' | 'error';

const results: Readonly<Record<DecisionOrError, string>> = {
  allow: 'allowed',
  deny: 'denied',
  'no-opinion': 'no-opinion',
  error: 'error',
};

/** No credentials are a failure, bad ones an error; anonymous is a success. */
type AuthenticationResult = 'success' | 'failure' | 'error';

const table = {
  authenticated_user_requests: counter('Counter of authenticated requests broken out by username.', [
    'username',
  ]),
  authentication_attempts: counter('Counter of authenticated attempts.', ['result']),
  authentication_duration_seconds: histogram(
    decisionBuckets,
    'Authentication duration in seconds broken out by result.',
    ['result'],
  ),
  authorization_attempts_total: counter(
    "Counter of authorization attempts broken down by result. It can be either 'allowed', 'denied', 'no-opinion' or 'error'.",
    ['result'],
  ),
  authorization_duration_seconds: histogram(
    decisionBuckets,
    'Authorization duration in seconds broken out by result.',
    ['result'],
  ),
  kcp_metrics_filter_refused_credentials_total: counter(
    'What methods had something against in requests answered 401, by authenticator; the log says what.',
    ['authenticator'],
  ),
  kcp_metrics_filter_spoofed_headers_total: counter(
    "Requests with a front proxy's headers from somebody who is none; the headers were ignored.",
  ),
  apiserver_authorization_decisions_total: counter(
    'Total number of terminal decisions made by an authorizer split by authorizer type, name, and decision.',
    ['type', 'name', 'decision'],
  ),
  kcp_metrics_filter_forbidden_requests_total: counter(
    'Requests answered 403, since no authorizer allowed them; the log and the audit log say whose.',
  ),
  kcp_metrics_filter_rejected_requests_total: counter(
    'Requests turned away by their path, before anyone was asked who sends them, by status code.',
    ['code'],
  ),
  kcp_metrics_filter_scrape_duration_seconds: histogram(
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
    'Time to render an exposition, in seconds, by result.',
    ['result'],
  ),
  kcp_metrics_filter_scrapes_total: counter(
    'Scrapes by where their bytes come from: rendered for them, joined while it was, or kept from before.',
    ['origin'],
  ),
  kcp_metrics_filter_refused_scrapes_total: counter(
    'Scrapes answered 503, since as many expositions were being rendered as may be.',
  ),
  kcp_metrics_filter_stalled_clients_total: counter(
    'Clients that were cut, since they took too little of an exposition that was being sent, or too long.',
  ),
  kcp_metrics_filter_limited_requests_total: counter(
    'Requests answered 429, by what sent more than its share: an identity or an address.',
    ['by'],
  ),
  kcp_metrics_filter_refused_connections_total: counter(
    'Connections closed at once: as many were open as may be, or TLS handshakes from their address have cost too much.',
  ),
  kcp_metrics_filter_maintenance: gauge(
    'Whether scrapes are refused for maintenance, of everybody or of some: 1 or 0.',
    { aggregator: 'max' },
  ),
  kcp_metrics_filter_maintenance_refused_scrapes_total: counter('Scrapes answered 503 for maintenance.'),
  kcp_metrics_filter_renderings_in_flight: gauge(
    'Expositions that are being rendered, or sent while they are.',
  ),
  kcp_metrics_filter_left_out_metrics_total: counter('Metrics left out of an exposition, by cause.', [
    'cause',
  ]),
  kcp_metrics_filter_filtered_scrapes_total: counter(
    'Expositions that were filtered or relabelled, by result; abandoned where the client went away.',
    ['result'],
  ),
  kcp_metrics_filter_dropped_series_total: counter('Series left out of filtered expositions, by reason.', [
    'reason',
  ]),
  kcp_metrics_filter_policy_reloads_total: counter(
    'Attempts to reload a policy source, by source and result.',
    ['source', 'result'],
  ),
  kcp_metrics_filter_key_downloads_total: counter(
    'Downloads of the keys that tokens are verified with, by flag and result.',
    ['flag', 'result'],
  ),
  kcp_metrics_filter_file_reloads_total: counter(
    'Changes of files that flags name, by flag and result; after a failure the file before stays in force.',
    ['flag', 'result'],
  ),
};

/**
 * What the filter tells of itself, under Kubernetes' names where it has one that means the same. Labels hold fixed
 * words only: no name, path or token that a client can choose.
 */
export class FilterMetrics {
  readonly #metrics;

  /** @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry) {
    this.#metrics = register(registry, table);
  }

  /** `username`: of a success. */
  authenticationAttempt(result: AuthenticationResult, seconds: number, username = ''): void {
    if (result === 'success')
      this.#metrics.authenticated_user_requests.inc({ username: toldUsername(username) });
    this.#metrics.authentication_attempts.inc({ result });
    this.#metrics.authentication_duration_seconds.observe({ result }, seconds);
  }

  authorizationAttempt(decision: DecisionOrError, seconds: number): void {
    const result = results[decision];
    this.#metrics.authorization_attempts_total.inc({ result });
    this.#metrics.authorization_duration_seconds.observe({ result }, seconds);
  }

  refusedCredentials(authenticator: string): void {
    this.#metrics.kcp_metrics_filter_refused_credentials_total.inc({ authenticator });
  }

  spoofedHeaders(): void {
    this.#metrics.kcp_metrics_filter_spoofed_headers_total.inc();
  }

  /** Only opinions count as decisions; an authorizer without one leaves the word to the next. */
  decision(type: string, decision: DecisionOrError): void {
    if ((decision !== 'allow' && decision !== 'deny') || uncounted.has(type)) return;
    this.#metrics.apiserver_authorization_decisions_total.inc({
      type,
      name: type.toLowerCase(),
      decision: results[decision],
    });
  }

  forbidden(): void {
    this.#metrics.kcp_metrics_filter_forbidden_requests_total.inc();
  }

  rejected(code: number): void {
    this.#metrics.kcp_metrics_filter_rejected_requests_total.inc({ code: String(code) });
  }

  scrape(result: 'success' | 'failure', seconds: number): void {
    this.#metrics.kcp_metrics_filter_scrape_duration_seconds.observe({ result }, seconds);
  }

  scrapeFrom(origin: ScrapeOrigin): void {
    this.#metrics.kcp_metrics_filter_scrapes_total.inc({ origin });
  }

  refusedScrape(): void {
    this.#metrics.kcp_metrics_filter_refused_scrapes_total.inc();
  }

  stalledClient(): void {
    this.#metrics.kcp_metrics_filter_stalled_clients_total.inc();
  }

  limitedRequest(by: 'identity' | 'address'): void {
    this.#metrics.kcp_metrics_filter_limited_requests_total.inc({ by });
  }

  refusedConnection(): void {
    this.#metrics.kcp_metrics_filter_refused_connections_total.inc();
  }

  maintenance(isOn: boolean): void {
    this.#metrics.kcp_metrics_filter_maintenance.set(isOn ? 1 : 0);
  }

  refusedInMaintenance(): void {
    this.#metrics.kcp_metrics_filter_maintenance_refused_scrapes_total.inc();
  }

  renderingsInFlight(count: number): void {
    this.#metrics.kcp_metrics_filter_renderings_in_flight.set(count);
  }

  collectorFailure({ cause }: CollectorFailure): void {
    this.#metrics.kcp_metrics_filter_left_out_metrics_total.inc({ cause });
  }

  filteredScrape(
    result: 'success' | 'failure' | 'abandoned',
    dropped: Readonly<Record<string, number>>,
  ): void {
    this.#metrics.kcp_metrics_filter_filtered_scrapes_total.inc({ result });
    for (const [reason, count] of Object.entries(dropped))
      if (count > 0) this.#metrics.kcp_metrics_filter_dropped_series_total.inc({ reason }, count);
  }

  policyReload(source: string, result: 'success' | 'failure'): void {
    this.#metrics.kcp_metrics_filter_policy_reloads_total.inc({ source, result });
  }

  /** An alert on an increase needs the series before the first change: a bad file is counted once. */
  fileFollowed(flag: string): void {
    for (const result of ['success', 'failure'])
      this.#metrics.kcp_metrics_filter_file_reloads_total.inc({ flag, result }, 0);
  }

  fileReload(flag: string, result: 'success' | 'failure'): void {
    this.#metrics.kcp_metrics_filter_file_reloads_total.inc({ flag, result });
  }

  keyRefresh(flag: string, result: 'success' | 'failure'): void {
    this.#metrics.kcp_metrics_filter_key_downloads_total.inc({ flag, result });
  }
}

/** One of a few words, as Kubernetes does it. */
function toldUsername(username: string): string {
  if (toldUsernames.has(username)) return username;
  return username.includes('@') ? 'email_id' : 'other';
}
