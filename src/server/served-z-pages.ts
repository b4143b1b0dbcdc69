import { zPages } from './z-pages/z-pages-step.js';
import type { Middleware } from '../request/middleware.js';
import type { MetricsFilterOptions } from '../request/guard.js';
import { packageVersion } from '../package-version.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import type { HealthCheck, HealthOptions } from './health.js';
import type { RefusalTally } from './z-pages/refusal-tally.js';
import type { CertificateStatus, FlagInForce, UpstreamAddress } from './z-pages/server-status.js';

/** What the server's own pages tell beside what the server knows of itself. */
export interface ServedZPagesOptions {
  /** Of `/flagz`. Default: there is no such page. */
  readonly flags?: readonly FlagInForce[];
  /** Asked at each request. Default: none. */
  readonly certificates?: () => readonly CertificateStatus[];
  /** Default: none. */
  readonly upstreams?: readonly UpstreamAddress[];
  /** Whether other processes answer on the same port. Default false. */
  readonly isOneOfWorkers?: boolean;
}

/** What the server knows of itself. */
export interface ServerParts extends Pick<MetricsFilterOptions, 'authenticators' | 'authorizers'> {
  readonly mode: string;
  readonly policy: OpenPolicy | undefined;
  readonly refusals: RefusalTally;
  /** Every path that it answers, beside those of its pages. */
  readonly paths: readonly string[];
}

const startedAt = performance.timeOrigin;

/** The paths of the ready server, as Kubernetes lists them: its metrics, its health checks, its version. */
export function pathsOf(
  { otherExpositions = new Map(), serverKind }: Pick<MetricsFilterOptions, 'otherExpositions' | 'serverKind'>,
  { live, ready }: Pick<HealthOptions, 'live' | 'ready'>,
): readonly string[] {
  const below = (endpoint: string, checks: readonly HealthCheck[]): readonly string[] => [
    endpoint,
    ...checks.map(({ name }) => `${endpoint}/${name}`),
  ];
  return [
    '/metrics',
    ...otherExpositions.keys(),
    ...below('/healthz', live),
    ...below('/livez', live),
    ...below('/readyz', [...live, ...ready]),
    ...(serverKind === 'cache-server' ? ['/version'] : []),
  ];
}

/** `/statusz`, `/flagz` and `/` of the ready server. */
export function servedZPages(
  { flags, certificates, upstreams = [], isOneOfWorkers = false }: ServedZPagesOptions,
  { mode, policy, authenticators, authorizers, refusals, paths }: ServerParts,
): Middleware {
  return zPages({
    status: () => ({
      version: packageVersion,
      mode,
      startedAt,
      isOneOfWorkers,
      policy: policy?.policy.status() ?? [],
      certificates: certificates?.() ?? [],
      authenticators: authenticators.map(({ name }) => name),
      authorizers: authorizers.map(({ name }) => name),
      refusals: refusals.refusals,
      upstreams,
    }),
    ...(flags === undefined ? {} : { flags: () => flags }),
    paths,
  });
}
