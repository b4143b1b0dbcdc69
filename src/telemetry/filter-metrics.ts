import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CollectorFailure } from '../exposition/sources/registries/collectors.js';
import type { ScrapeOrigin } from '../exposition/delivery/shared-exposition.js';

const prefix = 'kcp_metrics_filter';
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
export type AuthenticationResult = 'success' | 'failure' | 'error';

/**
 * What the filter tells of itself, under Kubernetes' names where it has one that means the same. Labels hold fixed
 * words only: no name, path or token that a client can choose.
 */
export class FilterMetrics {
  readonly #users: Counter<'username'>;
  readonly #attempts: Counter<'result'>;
  readonly #authenticationSeconds: Histogram<'result'>;
  readonly #authorizations: Counter<'result'>;
  readonly #authorizationSeconds: Histogram<'result'>;
  readonly #refusedCredentials: Counter<'authenticator'>;
  readonly #spoofedHeaders: Counter;
  readonly #decisions: Counter<'type' | 'name' | 'decision'>;
  readonly #forbidden: Counter;
  readonly #rejections: Counter<'code'>;
  readonly #scrapeSeconds: Histogram<'result'>;
  readonly #scrapeOrigins: Counter<'origin'>;
  readonly #refusedScrapes: Counter;
  readonly #stalledClients: Counter;
  readonly #limitedRequests: Counter<'by'>;
  readonly #refusedConnections: Counter;
  readonly #maintenance: Gauge;
  readonly #refusedInMaintenance: Counter;
  readonly #renderings: Gauge;
  readonly #collectorFailures: Counter<'cause'>;
  readonly #filteredScrapes: Counter<'result'>;
  readonly #droppedSeries: Counter<'reason'>;
  readonly #reloads: Counter<'source' | 'result'>;
  readonly #fileReloads: Counter<'flag' | 'result'>;
  readonly #keyRefreshes: Counter<'flag' | 'result'>;

  /** @throws Error where the registry already holds one of the names. */
  constructor(registry: Registry) {
    const registers = [registry];
    this.#users = new Counter({
      name: 'authenticated_user_requests',
      help: 'Counter of authenticated requests broken out by username.',
      labelNames: ['username'],
      registers,
    });
    this.#attempts = new Counter({
      name: 'authentication_attempts',
      help: 'Counter of authenticated attempts.',
      labelNames: ['result'],
      registers,
    });
    this.#authenticationSeconds = new Histogram({
      name: 'authentication_duration_seconds',
      help: 'Authentication duration in seconds broken out by result.',
      labelNames: ['result'],
      buckets: decisionBuckets,
      registers,
    });
    this.#authorizations = new Counter({
      name: 'authorization_attempts_total',
      help: "Counter of authorization attempts broken down by result. It can be either 'allowed', 'denied', 'no-opinion' or 'error'.",
      labelNames: ['result'],
      registers,
    });
    this.#authorizationSeconds = new Histogram({
      name: 'authorization_duration_seconds',
      help: 'Authorization duration in seconds broken out by result.',
      labelNames: ['result'],
      buckets: decisionBuckets,
      registers,
    });
    this.#refusedCredentials = new Counter({
      name: `${prefix}_refused_credentials_total`,
      help: 'What methods had something against in requests answered 401, by authenticator; the log says what.',
      labelNames: ['authenticator'],
      registers,
    });
    this.#spoofedHeaders = new Counter({
      name: `${prefix}_spoofed_headers_total`,
      help: "Requests with a front proxy's headers from somebody who is none; the headers were ignored.",
      registers,
    });
    this.#decisions = new Counter({
      name: 'apiserver_authorization_decisions_total',
      help: 'Total number of terminal decisions made by an authorizer split by authorizer type, name, and decision.',
      labelNames: ['type', 'name', 'decision'],
      registers,
    });
    this.#forbidden = new Counter({
      name: `${prefix}_forbidden_requests_total`,
      help: 'Requests answered 403, since no authorizer allowed them; the log and the audit log say whose.',
      registers,
    });
    this.#rejections = new Counter({
      name: `${prefix}_rejected_requests_total`,
      help: 'Requests turned away by their path, before anyone was asked who sends them, by status code.',
      labelNames: ['code'],
      registers,
    });
    this.#scrapeSeconds = new Histogram({
      name: `${prefix}_scrape_duration_seconds`,
      help: 'Time to render an exposition, in seconds, by result.',
      labelNames: ['result'],
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
      registers,
    });
    this.#scrapeOrigins = new Counter({
      name: `${prefix}_scrapes_total`,
      help: 'Scrapes by where their bytes come from: rendered for them, joined while it was, or kept from before.',
      labelNames: ['origin'],
      registers,
    });
    this.#refusedScrapes = new Counter({
      name: `${prefix}_refused_scrapes_total`,
      help: 'Scrapes answered 503, since as many expositions were being rendered as may be.',
      registers,
    });
    this.#stalledClients = new Counter({
      name: `${prefix}_stalled_clients_total`,
      help: 'Clients that were cut, since they took too little of an exposition that was being sent, or too long.',
      registers,
    });
    this.#limitedRequests = new Counter({
      name: `${prefix}_limited_requests_total`,
      help: 'Requests answered 429, by what sent more than its share: an identity or an address.',
      labelNames: ['by'],
      registers,
    });
    this.#refusedConnections = new Counter({
      name: `${prefix}_refused_connections_total`,
      help: 'Connections closed at once: as many were open as may be, or TLS handshakes from their address have cost too much.',
      registers,
    });
    this.#maintenance = new Gauge({
      name: `${prefix}_maintenance`,
      help: 'Whether scrapes are refused for maintenance, of everybody or of some: 1 or 0.',
      aggregator: 'max',
      registers,
    });
    this.#refusedInMaintenance = new Counter({
      name: `${prefix}_maintenance_refused_scrapes_total`,
      help: 'Scrapes answered 503 for maintenance.',
      registers,
    });
    this.#renderings = new Gauge({
      name: `${prefix}_renderings_in_flight`,
      help: 'Expositions that are being rendered, or sent while they are.',
      registers,
    });
    this.#collectorFailures = new Counter({
      name: `${prefix}_left_out_metrics_total`,
      help: 'Metrics left out of an exposition, by cause.',
      labelNames: ['cause'],
      registers,
    });
    this.#filteredScrapes = new Counter({
      name: `${prefix}_filtered_scrapes_total`,
      help: 'Expositions that were filtered or relabelled, by result; abandoned where the client went away.',
      labelNames: ['result'],
      registers,
    });
    this.#droppedSeries = new Counter({
      name: `${prefix}_dropped_series_total`,
      help: 'Series left out of filtered expositions, by reason.',
      labelNames: ['reason'],
      registers,
    });
    this.#reloads = new Counter({
      name: `${prefix}_policy_reloads_total`,
      help: 'Attempts to reload a policy source, by source and result.',
      labelNames: ['source', 'result'],
      registers,
    });
    this.#keyRefreshes = new Counter({
      name: `${prefix}_key_downloads_total`,
      help: 'Downloads of the keys that tokens are verified with, by flag and result.',
      labelNames: ['flag', 'result'],
      registers,
    });
    this.#fileReloads = new Counter({
      name: `${prefix}_file_reloads_total`,
      help: 'Changes of files that flags name, by flag and result; after a failure the file before stays in force.',
      labelNames: ['flag', 'result'],
      registers,
    });
  }

  /** `username`: of a success. */
  authenticationAttempt(result: AuthenticationResult, seconds: number, username = ''): void {
    if (result === 'success') this.#users.inc({ username: toldUsername(username) });
    this.#attempts.inc({ result });
    this.#authenticationSeconds.observe({ result }, seconds);
  }

  authorizationAttempt(decision: DecisionOrError, seconds: number): void {
    const result = results[decision];
    this.#authorizations.inc({ result });
    this.#authorizationSeconds.observe({ result }, seconds);
  }

  refusedCredentials(authenticator: string): void {
    this.#refusedCredentials.inc({ authenticator });
  }

  spoofedHeaders(): void {
    this.#spoofedHeaders.inc();
  }

  /** Only opinions count as decisions; an authorizer without one leaves the word to the next. */
  decision(type: string, decision: DecisionOrError): void {
    if ((decision !== 'allow' && decision !== 'deny') || uncounted.has(type)) return;
    this.#decisions.inc({ type, name: type.toLowerCase(), decision: results[decision] });
  }

  forbidden(): void {
    this.#forbidden.inc();
  }

  rejected(code: number): void {
    this.#rejections.inc({ code: String(code) });
  }

  scrape(result: 'success' | 'failure', seconds: number): void {
    this.#scrapeSeconds.observe({ result }, seconds);
  }

  scrapeFrom(origin: ScrapeOrigin): void {
    this.#scrapeOrigins.inc({ origin });
  }

  refusedScrape(): void {
    this.#refusedScrapes.inc();
  }

  stalledClient(): void {
    this.#stalledClients.inc();
  }

  limitedRequest(by: 'identity' | 'address'): void {
    this.#limitedRequests.inc({ by });
  }

  refusedConnection(): void {
    this.#refusedConnections.inc();
  }

  maintenance(isOn: boolean): void {
    this.#maintenance.set(isOn ? 1 : 0);
  }

  refusedInMaintenance(): void {
    this.#refusedInMaintenance.inc();
  }

  renderingsInFlight(count: number): void {
    this.#renderings.set(count);
  }

  collectorFailure({ cause }: CollectorFailure): void {
    this.#collectorFailures.inc({ cause });
  }

  filteredScrape(
    result: 'success' | 'failure' | 'abandoned',
    dropped: Readonly<Record<string, number>>,
  ): void {
    this.#filteredScrapes.inc({ result });
    for (const [reason, count] of Object.entries(dropped))
      if (count > 0) this.#droppedSeries.inc({ reason }, count);
  }

  policyReload(source: string, result: 'success' | 'failure'): void {
    this.#reloads.inc({ source, result });
  }

  /** An alert on an increase needs the series before the first change: a bad file is counted once. */
  fileFollowed(flag: string): void {
    for (const result of ['success', 'failure']) this.#fileReloads.inc({ flag, result }, 0);
  }

  fileReload(flag: string, result: 'success' | 'failure'): void {
    this.#fileReloads.inc({ flag, result });
  }

  keyRefresh(flag: string, result: 'success' | 'failure'): void {
    this.#keyRefreshes.inc({ flag, result });
  }
}

/** One of a few words, as Kubernetes does it. */
function toldUsername(username: string): string {
  if (toldUsernames.has(username)) return username;
  return username.includes('@') ? 'email_id' : 'other';
}
