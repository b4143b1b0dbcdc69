import type { ScrapeOrigin } from '../exposition/delivery/shared-exposition.js';
import type { CollectorFailure } from '../exposition/sources/registries/collectors.js';
import { packageVersion } from '../own-package.js';
import { adds, counts, gauge, observes, recorder } from './metric-table.js';

/** Kubernetes' buckets for authentication and authorization: 1 ms, doubled up to 16.384 s. */
const decisionBuckets = Array.from({ length: 15 }, (_, power) => 2 ** power / 1000);
/** The user names that Kubernetes counts by name; all others are whatever their issuers choose. */
const toldUsernames: ReadonlySet<string> = new Set([
  'admin',
  'client',
  'kube_proxy',
  'kubelet',
  'system:serviceaccount:kube-system:default',
]);
/** Kubernetes does not count the decisions of their counterparts either. */
const uncounted: ReadonlySet<string> = new Set(['AlwaysAllowGroups', 'AlwaysAllowPaths']);

interface PassedOn {
  /** As it is configured. */
  readonly path: string;
  readonly code: number;
  readonly requestBytes: number;
  readonly answerBytes: number;
}

type DecisionOrError = 'allow' | 'deny' | 'no-opinion' | 'error';

/** Kubernetes' words, where they are others. */
const results: Readonly<Partial<Record<DecisionOrError, string>>> = { allow: 'allowed', deny: 'denied' };

/** No credentials: failure; bad credentials: error; anonymous: success. */
type AuthenticationResult = 'success' | 'failure' | 'error';

type Result = 'success' | 'failure';

const Recorder = recorder({
  build: gauge('kcp_metrics_filter_build_info', 'Always 1: the version of the filter, and of Node.js.', {
    labels: ['version', 'node_version'],
    // Of several workers, one.
    aggregator: 'max',
    read: () => [[{ version: packageVersion, node_version: process.version }, 1]],
  }),
  authenticatedUser: counts<[username: string]>(
    'authenticated_user_requests{username}',
    'Counter of authenticated requests broken out by username.',
  ),
  authenticated: counts<[AuthenticationResult]>(
    'authentication_attempts{result}',
    'Counter of authenticated attempts.',
  ),
  authenticatedIn: observes<[AuthenticationResult]>(
    'authentication_duration_seconds{result}',
    decisionBuckets,
    'Authentication duration in seconds broken out by result.',
  ),
  authorized: counts<[result: string]>(
    'authorization_attempts_total{result}',
    "Counter of authorization attempts broken down by result. It can be either 'allowed', 'denied', 'no-opinion' or 'error'.",
  ),
  authorizedIn: observes<[result: string]>(
    'authorization_duration_seconds{result}',
    decisionBuckets,
    'Authorization duration in seconds broken out by result.',
  ),
  refusedCredentials: counts<[authenticator: string]>(
    'kcp_metrics_filter_refused_credentials_total{authenticator}',
    'Credentials refused in requests answered 401, by authenticator; the log says why.',
  ),
  spoofedHeaders: counts(
    'kcp_metrics_filter_spoofed_headers_total',
    "Requests with a front proxy's headers that did not come from a front proxy; the headers were ignored.",
  ),
  decided: counts<[type: string, name: string, decision: string]>(
    'apiserver_authorization_decisions_total{type,name,decision}',
    'Total number of terminal decisions made by an authorizer split by authorizer type, name, and decision.',
  ),
  forbidden: counts(
    'kcp_metrics_filter_forbidden_requests_total',
    'Requests answered 403 because no authorizer allowed them; the log and the audit log say whose.',
  ),
  rejectedWith: counts<[code: string]>(
    'kcp_metrics_filter_rejected_requests_total{code}',
    'Requests refused for their path, before authentication, by status code.',
  ),
  scrapedIn: observes<[Result]>(
    'kcp_metrics_filter_scrape_duration_seconds{result}',
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
    'Time to render an exposition, in seconds, by result.',
  ),
  scrapeFrom: counts<[ScrapeOrigin]>(
    'kcp_metrics_filter_scrapes_total{origin}',
    'Scrapes by what they were served: a rendering of their own, one under way for another scrape, or a kept one.',
  ),
  refusedScrape: counts(
    'kcp_metrics_filter_refused_scrapes_total',
    'Scrapes answered 503 because the limit of renderings in flight was reached.',
  ),
  stalledClient: counts(
    'kcp_metrics_filter_stalled_clients_total',
    'Clients disconnected because they read an exposition too slowly.',
  ),
  limitedRequest: counts<[by: 'identity' | 'address' | 'bytes']>(
    'kcp_metrics_filter_limited_requests_total{by}',
    'Requests answered 429, by the limit that they exceeded: of an identity, of an address, or of the bytes of an identity.',
  ),
  gatewayRequest: counts<[path: string, code: string]>(
    'kcp_metrics_filter_gateway_requests_total{path,code}',
    'Requests that were to be passed on, by path of the gateway and class of the status; none where the client disconnected.',
  ),
  gatewayBytes: adds<[path: string, direction: 'request' | 'answer']>(
    'kcp_metrics_filter_gateway_bytes_total{path,direction}',
    'Bytes of bodies passed on, by path of the gateway and direction: request or answer.',
  ),
  refusedConnection: counts(
    'kcp_metrics_filter_refused_connections_total',
    'Connections closed at once: the limit of connections was reached, or TLS handshakes from the address have cost too much.',
  ),
  maintained: gauge(
    'kcp_metrics_filter_maintenance',
    'Whether scrapes are refused for maintenance, those of all users or of some: 1 or 0.',
    { aggregator: 'max' },
  ),
  refusedInMaintenance: counts(
    'kcp_metrics_filter_maintenance_refused_scrapes_total',
    'Scrapes answered 503 for maintenance.',
  ),
  inFlight: gauge('kcp_metrics_filter_renderings_in_flight', 'Expositions that are being rendered.'),
  leftOutMetric: counts<[cause: string]>(
    'kcp_metrics_filter_left_out_metrics_total{cause}',
    'Metrics left out of an exposition, by cause.',
  ),
  filtered: counts<[Result | 'abandoned']>(
    'kcp_metrics_filter_filtered_scrapes_total{result}',
    'Expositions that were filtered or relabelled, by result; abandoned where the client disconnected.',
  ),
  droppedSeries: adds<[reason: string]>(
    'kcp_metrics_filter_dropped_series_total{reason}',
    'Series left out of filtered expositions, by reason.',
  ),
  workspaceRendering: counts<[Result]>(
    'kcp_metrics_filter_workspace_renderings_total{result}',
    'Expositions divided by workspace, by result; each serves the scrapes of all workspaces for a while.',
  ),
  policyReload: counts<[source: string, Result]>(
    'kcp_metrics_filter_policy_reloads_total{source,result}',
    'Attempts to reload a policy source, by source and result.',
  ),
  keyRefresh: counts<[flag: string, Result]>(
    'kcp_metrics_filter_key_downloads_total{flag,result}',
    'Downloads of the keys that tokens are verified with, by flag and result.',
  ),
  reloadedFiles: adds<[flag: string, Result]>(
    'kcp_metrics_filter_file_reloads_total{flag,result}',
    'Reloads of files that flags name, by flag and result; after a failure the previous content stays in force.',
  ),
});

/**
 * The filter's own metrics, under Kubernetes' names where it has one that means the same. Labels hold fixed words only:
 * no name, path or token that a client can choose.
 */
export class FilterMetrics extends Recorder {
  /** `username`: only for a success. */
  authenticationAttempt(result: AuthenticationResult, seconds: number, username = ''): void {
    if (result === 'success') this.authenticatedUser(toldUsername(username));
    this.authenticated(result);
    this.authenticatedIn(seconds, result);
  }

  authorizationAttempt(decision: DecisionOrError, seconds: number): void {
    const result = results[decision] ?? decision;
    this.authorized(result);
    this.authorizedIn(seconds, result);
  }

  /** Counts allow and deny; without an opinion the next authorizer decides. */
  decision(type: string, decision: DecisionOrError): void {
    const result = results[decision];
    if (result !== undefined && !uncounted.has(type)) this.decided(type, type.toLowerCase(), result);
  }

  rejected(code: number): void {
    this.rejectedWith(String(code));
  }

  scrape(result: Result, seconds: number): void {
    this.scrapedIn(seconds, result);
  }

  passedOn({ path, code, requestBytes, answerBytes }: PassedOn): void {
    this.gatewayRequest(path, code === 0 ? 'none' : `${Math.floor(code / 100)}xx`);
    this.gatewayBytes(requestBytes, path, 'request');
    this.gatewayBytes(answerBytes, path, 'answer');
  }

  maintenance(isOn: boolean): void {
    this.maintained.set(isOn ? 1 : 0);
  }

  renderingsInFlight(count: number): void {
    this.inFlight.set(count);
  }

  collectorFailure({ cause }: CollectorFailure): void {
    this.leftOutMetric(cause);
  }

  filteredScrape(result: Result | 'abandoned', dropped: Readonly<Record<string, number>>): void {
    this.filtered(result);
    for (const [reason, count] of Object.entries(dropped)) if (count > 0) this.droppedSeries(count, reason);
  }

  /** An alert on an increase needs the series to exist before the first failure, which is counted once. */
  fileFollowed(flag: string): void {
    this.reloadedFiles(0, flag, 'success');
    this.reloadedFiles(0, flag, 'failure');
  }

  fileReload(flag: string, result: Result): void {
    this.reloadedFiles(1, flag, result);
  }
}

/** One of a few words, as Kubernetes counts them. */
function toldUsername(username: string): string {
  if (toldUsernames.has(username)) return username;
  return username.includes('@') ? 'email_id' : 'other';
}
