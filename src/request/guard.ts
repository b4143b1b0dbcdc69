import type { RequestListener, ServerResponse } from 'node:http';
import type { AuditEvent, AuditSink } from '../audit/audit-event.js';
import type { Authenticator } from '../authentication/authenticator.js';
import type { Authorizer } from '../authorization/authorizer.js';
import type { WorkspaceAccess } from '../authorization/workspace-access.js';
import { anExposition, type Exposition } from '../exposition/exposition.js';
import { refusalReason } from '../audit/refusal-reason.js';
import {
  aBoolean,
  aFunction,
  accepted,
  both,
  checkOptions,
  having,
  MetricsFilterOptionError,
  milliseconds,
  must,
  namedWith,
  oneOf,
  optional,
  texts,
  type Check,
} from '../option-checks.js';
import type { WorkspaceExpositions } from '../exposition/workspaces/workspace-expositions.js';
import { alwaysAllowPaths as matchingPaths } from '../paths/always-allow.js';
import { createPathClassifier, isGuarded, type ServerKind } from '../paths/classify.js';
import { FilterMetrics } from '../telemetry/filter-metrics.js';
import { tell } from '../tell.js';
import { sendInternalError, sendNotFound } from './answer/status.js';
import { frontProxyCheckOf, loggedNameOf, type FrontProxyCheck } from './credentials.js';
import { boundWaiting, inTurn } from './in-turn.js';
import {
  listenerOf,
  requestState,
  sequence,
  type FilterListener,
  type Guard,
  type Middleware,
  type Next,
  type Request,
} from './middleware.js';
import { adoptAuditId, audit } from './steps/audit.js';
import { authenticate } from './steps/authenticate.js';
import { authorize } from './steps/authorize.js';
import { classifyPath } from './steps/classify-path.js';
import { limitRequests, type RequestLimits } from './steps/limit-requests.js';
import { allowPaths, alwaysAllow, ignorePaths } from './steps/listed-paths.js';
import { passToBackend, type Gateway } from './steps/pass-to-backend.js';
import { refuseInMaintenance, type Maintenance } from './steps/refuse-in-maintenance.js';
import { serveExposition } from './steps/serve-exposition.js';
import { WorkspaceTargets } from './workspace-targets.js';

export interface MetricsFilterOptions {
  /** What `/metrics` serves. */
  readonly exposition: Exposition;
  /** What paths below `/metrics/` serve, each authorized by its own path: `/metrics/slis`. Default: none. */
  readonly otherExpositions?: ReadonlyMap<string, Exposition>;
  /** Authenticators in order; the first one that accepts wins. */
  readonly authenticators: readonly Authenticator[];
  /** Authorizers in order; the first allow or deny wins; without either the answer is 403. */
  readonly authorizers: readonly Authorizer[];
  /** Whether a request without credentials is `system:anonymous` rather than 401. Default false. */
  readonly anonymous?: boolean;
  /**
   * Paths that pass without authentication, in Kubernetes' spelling: exact, or a prefix that ends in a single `*`.
   * Default: none.
   */
  readonly alwaysAllowPaths?: readonly string[];
  /** The kind of server whose path rules and messages apply. Default `shard`. */
  readonly serverKind?: ServerKind;
  /** Answers scoped shard-level paths in place of the 501, after an authorization of its own. */
  readonly scopedEndpoint?: Middleware;
  /** Serves metrics of single workspaces below `/clusters/`, and the list of them. Default: they are 501. */
  readonly workspaceMetrics?: WorkspaceMetrics;
  /** Called for every decided or rejected request, after its answer was sent. */
  readonly onAuditEvent?: AuditSink;
  /** Called for every refused request, after its answer was sent: what an operator without the audit log must know. */
  readonly onRefused?: (refusal: RequestRefusal) => void;
  /** How long a client may read less than 64 KiB of a body (ms) before its connection is closed. Default 10,000. */
  readonly scrapeWriteTimeoutMs?: number;
  /** Maximum time to send a body (ms) before the connection is closed; 0: no limit. Default 300,000. */
  readonly scrapeDeadlineMs?: number;
  /** Names of the query parameters of a scrape that upstreams are told, such as `collect[]`. Default: none. */
  readonly passQuery?: readonly string[];
  /** The filter's own metrics: `new FilterMetrics(registry)`. Default: none. */
  readonly telemetry?: FilterMetrics;
}

/**
 * A refused request. Holds no credentials; the reason is one of a few texts, and the path may be any that was asked
 * for.
 */
export interface RequestRefusal {
  /** The status of the answer. */
  readonly code: number;
  /** Such as `forbidden`, `token-file: unknown token` or `no credentials`. */
  readonly reason: string;
  /** Decoded, without its query. */
  readonly path: string;
  /** As the root workspace names them. Absent where none was established. */
  readonly user?: string | undefined;
  /** That of the answer's `Audit-Id` header. */
  readonly auditId: string;
}

/** A request handler for Express, connect and `node:http`; without `next`, what it does not serve is 404. */
export type Handler = (request: Request, response: ServerResponse, next?: Next) => void;

/**
 * `GET /clusters/<workspace>/metrics` for those to whom the workspace grants it, and `GET /http-sd/workspaces`, from which
 * Prometheus learns what its user may read.
 */
export interface WorkspaceMetrics {
  /** Decides in place of the authorizers, of which none is asked. */
  readonly access: WorkspaceAccess;
  /** What is served of each: `workspaceExpositions(exposition)`. */
  readonly expositions: WorkspaceExpositions;
}

/** Options of the guard that only a standalone server has. */
export interface ServerGuardOptions extends MetricsFilterOptions {
  /** Globs (micromatch) of the paths that are served at all; others are 404. Default: every path. */
  readonly allowPaths?: readonly string[];
  /** Globs of shard-level paths that are served without authentication, as `ignorePaths` takes them. Default: none. */
  readonly ignorePaths?: readonly string[];
  readonly requestLimits?: RequestLimits;
  /** What is served of nodes of a virtual cluster's host, by the path below `/metrics/`. Default: nothing. */
  readonly nodeExposition?: ((path: string) => Exposition | undefined) | undefined;
  /** Whose scrapes are refused for maintenance. Default: none. */
  readonly maintenance?: { readonly current: Maintenance };
  /** Other paths, and the servers that requests for them are passed on to. Default: none. */
  readonly gateway?: Gateway;
}

/** What a server adds to the guard. */
interface GuardedServer {
  /** Paths that do without a shard on a cache server, besides health. */
  readonly unscopedPaths: readonly string[];
  /** Answer allowed requests for anything but expositions; each passes on what it does not serve. */
  readonly routes: readonly Middleware[];
  readonly listeners: readonly FilterListener[];
  /** Whether they want the audit events of all answers, not of refusals alone. */
  readonly listensToAll: boolean;
}

/**
 * One middleware that guards and serves `/metrics` as a kcp shard or cache server does: it answers shard-level paths,
 * scoped or bare, and passes every other request on untouched. Mount it at the root, before any router.
 *
 * @throws MetricsFilterOptionError when an option is missing, unknown or of the wrong type.
 */
export function metricsFilter(options: MetricsFilterOptions): Handler {
  refuseUnknown(options);
  return mountedGuard(options);
}

/** `metricsFilter` with what else a guard can do. */
export function mountedGuard(options: ServerGuardOptions): Handler {
  const { entrance, guarded } = inOrder(options);
  return function metricsFilter(request, response, next = notServed(request, response)) {
    entrance(request, response, (error) => {
      if (error !== undefined || !isGuarded(requestState(request).classification)) next(error);
      else guarded(request, response, next);
    });
  };
}

/** The end of the way where no application stands behind. */
function notServed(request: Request, response: ServerResponse): Next {
  return (error) => {
    if (error === undefined) sendNotFound(request, response);
    else sendInternalError(request, response, error);
  };
}

/** A request listener that guards every path of a server; what no route answers is 404. */
export function guardedServer(options: ServerGuardOptions, server: GuardedServer): RequestListener {
  const { entrance, guarded, listener } = inOrder(options, server);
  const run = sequence([entrance, guarded]);
  return (request, response) => {
    const fail = (error: unknown): void => {
      listener({ kind: 'failure', error, auditId: requestState(request).auditId });
      sendInternalError(request, response, error);
    };
    try {
      run(request, response, (error) => {
        if (error === undefined) sendNotFound(request, response);
        else fail(error);
      });
    } catch (error) {
      fail(error);
    }
  };
}

/** The order of all steps. What stands alone in it leaves steps out. */
function inOrder(
  options: ServerGuardOptions,
  server?: GuardedServer,
): { readonly entrance: Middleware; readonly guarded: Middleware; readonly listener: FilterListener } {
  const extent = server === undefined ? 'shard-level' : 'all';
  const { steps, guard, isFrontProxy } = stepsOf(options, extent, server);
  const { requestLimits = {} } = options;
  const limit = (by: 'address' | 'identity', perSecond = 0): Middleware | undefined =>
    perSecond === 0 ? undefined : limitRequests({ by, perSecond, isFrontProxy }, guard);
  return {
    listener: guard.listener,
    entrance: sequence([
      // First, so that a pipelined request costs nothing until the ones before it are answered.
      server === undefined ? boundWaiting : inTurn,
      // Around everything that answers, so that every answer has an audit event, under the Audit-Id of a front proxy.
      steps.audit,
      // Before anything that depends on the client: a 401 or 403 would reveal whether a workspace exists.
      steps.classify,
    ]),
    guarded: sequence([
      // It can only refuse, so it needs no identity.
      options.allowPaths && allowPaths(options.allowPaths),
      // Before authentication: health must not wait for it, nor fail with it.
      steps.alwaysAllow,
      options.ignorePaths && ignorePaths(options.ignorePaths, undefined, guard),
      // Before authentication, so that a flood causes no reviews, and after the always-allowed paths, which it does not limit.
      limit('address', requestLimits.perSecondByAddress),
      steps.authenticate,
      // After authentication, which finds the identity, and before authorization, so that denied requests count, too.
      limit('identity', requestLimits.perSecondByIdentity),
      steps.authorize,
      // After authorization: a client that may not scrape learns nothing about maintenance.
      options.maintenance && refuseInMaintenance({ maintenance: options.maintenance }, guard),
      // After everything that can refuse; the classified path decides what is served, not a router.
      steps.serve,
      // The same, for what is served by another server.
      options.gateway && passToBackend(options.gateway, options, guard),
      // Pages, health and version: allowed by now, and each by its own classified path.
      ...(server?.routes ?? []),
    ]),
  };
}

/** The steps of one guard, sharing one set of options. They rely on one another, and on no other guard's. */
export interface GuardSteps {
  /** Comes first: takes the Audit-Id of a front proxy and emits the audit event, if there is a listener. */
  readonly audit: Middleware;
  readonly classify: Middleware;
  readonly alwaysAllow: Middleware;
  readonly authenticate: Middleware;
  readonly authorize: Middleware;
  readonly serve: Middleware;
}

/**
 * The steps of `metricsFilter`, for a server that guards more than `/metrics` with the same options.
 * `unscopedPaths` are those of it that do without a shard on a cache server.
 *
 * @throws MetricsFilterOptionError when an option is missing, unknown or of the wrong type.
 */
export function guardSteps(
  options: MetricsFilterOptions,
  extent: 'shard-level' | 'all' = 'shard-level',
  unscopedPaths: readonly string[] = [],
): GuardSteps {
  refuseUnknown(options);
  return stepsOf(options, extent, { unscopedPaths }).steps;
}

function stepsOf(
  options: ServerGuardOptions,
  extent: 'shard-level' | 'all',
  { unscopedPaths = [], listeners = [], listensToAll = false }: Partial<GuardedServer> = {},
): {
  readonly steps: GuardSteps;
  readonly guard: Required<Guard>;
  readonly isFrontProxy: FrontProxyCheck | undefined;
} {
  checkOptions(options, checks);
  const { authenticators, authorizers, serverKind = 'shard', scopedEndpoint, workspaceMetrics } = options;
  if (workspaceMetrics !== undefined && serverKind === 'cache-server')
    throw new MetricsFilterOptionError('workspaceMetrics', 'leave it out: a cache server has no workspaces');
  const expositions = new Map([...(options.otherExpositions ?? []), ['/metrics', options.exposition]]);
  const classifier = createPathClassifier({
    serverKind,
    endpoints: [...expositions.keys()],
    unscopedPaths,
    servesWorkspaces: workspaceMetrics !== undefined,
    gatewayPaths: [...(options.gateway?.backends.keys() ?? [])],
  });
  const isFrontProxy = frontProxyCheckOf(authenticators);
  const isAudited = [options.onAuditEvent, options.onRefused, ...listeners].some((one) => one !== undefined);
  const isWholeAudit = options.onAuditEvent !== undefined || listensToAll;
  const own = telemetryAndAudit(options);
  const listener: FilterListener = (event) => {
    own(event);
    for (const each of listeners) tell('startServer', each, event);
  };
  const guard = { listener };
  const identify = authenticate(options, guard);
  const steps: GuardSteps = {
    audit: sequence([
      isFrontProxy && adoptAuditId(isFrontProxy),
      isAudited
        ? audit(
            (event) => {
              listener({ kind: 'audit', event });
            },
            isFrontProxy,
            // Of refusals alone where nobody wants more.
            (code) => isWholeAudit || code >= 400,
          )
        : undefined,
    ]),
    classify: classifyPath({ classifier, serverKind, extent, scopedEndpoint }, guard),
    alwaysAllow: alwaysAllow(options.alwaysAllowPaths ?? [], undefined, guard),
    // A connection has one review at a time, and nothing is decided without its audit event.
    authenticate: sequence([inTurn, identify]),
    authorize: authorize(
      {
        authorizers,
        classifier,
        // kcp's shards append this to a 403; its cache server does not.
        denialSuffix: serverKind === 'shard' ? 'access denied' : undefined,
        workspaces: workspaceMetrics?.access,
      },
      guard,
    ),
    serve: serveExposition(
      {
        expositions,
        nodeExposition: options.nodeExposition,
        workspaces: workspaceMetrics && {
          expositions: workspaceMetrics.expositions,
          targets: new WorkspaceTargets(workspaceMetrics.access),
        },
        writeTimeoutMs: options.scrapeWriteTimeoutMs,
        deadlineMs: options.scrapeDeadlineMs,
        passQuery: options.passQuery,
      },
      guard,
    ),
  };
  return { steps, guard, isFrontProxy };
}

function telemetryAndAudit({ telemetry, onAuditEvent, onRefused }: MetricsFilterOptions): FilterListener {
  const tellAudit = (event: AuditEvent): void => {
    tell('metricsFilter', onAuditEvent, event);
    if (onRefused === undefined || event.isClosedEarly) return;
    const reason = refusalReason(event);
    if (reason === undefined) return;
    const { code, path, identity, auditId } = event;
    onRefused({ code, reason, path, user: loggedNameOf(identity), auditId });
  };
  return listenerOf('metricsFilter', {
    rejected: ({ code }) => telemetry?.rejected(code),
    authentication: ({ result, seconds, username }) =>
      telemetry?.authenticationAttempt(result, seconds, username),
    unauthenticated: ({ refusals }) => {
      for (const { authenticator } of refusals) telemetry?.refusedCredentials(authenticator);
    },
    decision: ({ authorizer, decision }) => telemetry?.decision(authorizer, decision),
    authorization: ({ result, seconds }) => telemetry?.authorizationAttempt(result, seconds),
    forbidden: () => telemetry?.forbidden(),
    limited: ({ by }) => telemetry?.limitedRequest(by),
    'refused-in-maintenance': () => telemetry?.refusedInMaintenance(),
    scrape: ({ result, seconds }) => telemetry?.scrape(result, seconds),
    'stalled-client': () => telemetry?.stalledClient(),
    'passed-on': (passed) => telemetry?.passedOn(passed),
    audit: ({ event }) => {
      tellAudit(event);
    },
  });
}

const checks: Readonly<Record<keyof MetricsFilterOptions, Check>> = {
  exposition: anExposition,
  otherExpositions: optional(
    must(
      'a Map of Expositions by paths below /metrics/',
      (value) =>
        value instanceof Map &&
        [...value].every(
          ([path, exposition]: [unknown, unknown]) =>
            typeof path === 'string' &&
            /^\/metrics(?:\/[A-Za-z0-9_.-]+)+$/.test(path) &&
            anExposition(exposition) === undefined,
        ),
    ),
  ),
  authenticators: namedWith('authenticate'),
  authorizers: namedWith('authorize'),
  anonymous: optional(aBoolean),
  alwaysAllowPaths: optional(both(texts, accepted(matchingPaths))),
  serverKind: optional(oneOf('shard', 'cache-server')),
  scopedEndpoint: optional(aFunction),
  workspaceMetrics: optional(
    must('{ access, expositions: workspaceExpositions(exposition) }', (value) => {
      const { access, expositions } = (value ?? {}) as Readonly<Record<string, unknown>>;
      const faults = [
        having('access', 'unavailable', 'clusterOf', 'authorize', 'readable')(access),
        having('expositions', 'of')(expositions),
      ];
      return faults.every((fault) => fault === undefined);
    }),
  ),
  onAuditEvent: optional(aFunction),
  onRefused: optional(aFunction),
  telemetry: optional(must('new FilterMetrics(registry)', (value) => value instanceof FilterMetrics)),
  scrapeWriteTimeoutMs: optional(milliseconds(1)),
  scrapeDeadlineMs: optional(milliseconds()),
  passQuery: optional(texts),
};

function refuseUnknown(options: MetricsFilterOptions): void {
  checkOptions(options, {});
  const unknown = Object.keys(options).find((option) => !(option in checks));
  if (unknown !== undefined) throw new MetricsFilterOptionError(unknown, 'is no option of metricsFilter');
}
