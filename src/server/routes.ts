import type { RequestListener } from 'node:http';
import { packageVersion } from '../own-package.js';
import { workspaceTargetsPath, zPagePaths } from '../paths/classify.js';
import { sendText } from '../request/answer/status.js';
import { guardedServer } from '../request/guard.js';
import { requestState, type FilterListener, type Middleware } from '../request/middleware.js';
import { health, pingCheck, readinessChecks, type HealthCheck, type HealthChecks } from './health.js';
import { RequestLog } from './request-log.js';
import type { ServedZPagesOptions, ServerOptions } from './server-options.js';
import { RefusalTally } from './z-pages/refusal-tally.js';
import { zPages as zPagesStep } from './z-pages/z-pages-step.js';

/** Everything the server answers, behind one guard. `isStopping`: whether `/readyz` fails. */
export function guardedRoutes(options: ServerOptions, isStopping: () => boolean): RequestListener {
  const { zPages, serverKind, logger } = options;
  const log = new RequestLog(logger);
  const refusals = new RefusalTally();
  const tally: FilterListener = (event) => {
    if (event.kind === 'audit') refusals.count(event.event);
  };
  const checks = { live: [pingCheck], ready: readinessChecks(options, isStopping) };
  return guardedServer(options, {
    unscopedPaths: zPages === undefined ? [] : zPagePaths,
    routes: [
      zPages && servedZPages(options, zPages, checks, refusals),
      health(checks, options.onHealthResult),
      serverKind === 'cache-server' ? version : undefined,
    ].filter((route) => route !== undefined),
    listeners: zPages === undefined ? [log.listen] : [log.listen, tally],
    listensToAll: logger.isLevelEnabled?.('debug') ?? true,
  });
}

function servedZPages(
  options: ServerOptions,
  { flags, certificates, upstreams = [], isOneOfWorkers = false }: ServedZPagesOptions,
  checks: HealthChecks,
  refusals: RefusalTally,
): Middleware {
  const { serverKind: mode = 'shard', policy, authenticators, authorizers, virtualCluster } = options;
  const pages = {
    status: () => ({
      version: packageVersion,
      mode,
      startedAt: performance.timeOrigin,
      isOneOfWorkers,
      policy: policy?.policy.status() ?? [],
      ...(virtualCluster && { virtualCluster: virtualCluster.status() }),
      certificates: certificates?.() ?? [],
      authenticators: authenticators.map(({ name }) => name),
      authorizers: authorizers.map(({ name }) => name),
      refusals: refusals.refusals,
      upstreams,
    }),
    paths: pathsOf(options, checks),
  };
  return zPagesStep(flags === undefined ? pages : { ...pages, flags: () => flags });
}

/** The paths of the ready server, as Kubernetes lists them: its metrics, its health checks, its version. */
function pathsOf(
  { otherExpositions = new Map(), serverKind, workspaceMetrics, gateway }: ServerOptions,
  { live, ready }: HealthChecks,
): readonly string[] {
  const below = (endpoint: string, checks: readonly HealthCheck[]): readonly string[] => [
    endpoint,
    ...checks.map(({ name }) => `${endpoint}/${name}`),
  ];
  return [
    '/metrics',
    ...otherExpositions.keys(),
    ...(workspaceMetrics === undefined ? [] : [workspaceTargetsPath]),
    ...(gateway?.backends.keys() ?? []),
    ...below('/healthz', live),
    ...below('/livez', live),
    ...below('/readyz', [...live, ...ready]),
    ...(serverKind === 'cache-server' ? ['/version'] : []),
  ];
}

const [major = '', minor = ''] = packageVersion.split('.');
const platform = `${process.platform}/${process.arch}`;
const versionJson = `${JSON.stringify({ major, minor, gitVersion: `v${packageVersion}`, platform }, null, 2)}\n`;

/** `/version`, with the fields of Kubernetes' that apply to a Node program; passes other paths on. */
const version: Middleware = (request, response, next) => {
  const { classification } = requestState(request);
  if (classification?.kind !== 'other' || classification.path !== '/version') next();
  else sendText(request, response, 200, versionJson, { 'Content-Type': 'application/json' });
};
