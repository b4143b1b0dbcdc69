import type { Authenticator } from '../authentication/authenticator.js';
import type { Authorizer, DecisionObserver } from '../authorization/authorizer.js';
import type { Exposition } from '../exposition/exposition.js';
import { alwaysAllow } from './steps/always-allow.js';
import { adoptAuditId } from './audit-id.js';
import { audit, type AuditSink } from './steps/audit.js';
import { authenticate } from './steps/authenticate.js';
import { authorize } from './steps/authorize.js';
import { classifyPath } from './steps/classify-path.js';
import { frontProxyCheckOf } from './front-proxy.js';
import { boundWaiting, inTurn } from './in-turn.js';
import { sequence, type Middleware } from './middleware.js';
import { serveExposition } from './steps/serve-exposition.js';
import { requestState, type Guard } from './request-state.js';
import { alwaysAllowPaths as pathMatcher } from '../paths/always-allow.js';
import { createPathClassifier, type ServerKind } from '../paths/classify.js';
import { FilterMetrics } from '../telemetry/filter-metrics.js';
import { largestTimerDelayMs } from '../timer.js';

/** An option that cannot be used: `code` is `ERR_OPTION_` and the option's name in capitals. */
export class MetricsFilterOptionError extends TypeError {
  override readonly name = 'MetricsFilterOptionError';
  readonly code: string;

  constructor(
    readonly option: string,
    message: string,
  ) {
    super(`${option}: ${message}`);
    this.code = `ERR_OPTION_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
  }
}

export interface MetricsFilterOptions {
  /** What `/metrics` serves. */
  readonly exposition: Exposition;
  /** What paths below `/metrics/` serve, each authorized by its own path: `/metrics/slis`. Default: none. */
  readonly otherExpositions?: ReadonlyMap<string, Exposition>;
  /** Asked in this order who sends a request; the first that accepts wins. */
  readonly authenticators: readonly Authenticator[];
  /** Asked in this order whether he may; the first opinion wins, without one it is 403. */
  readonly authorizers: readonly Authorizer[];
  /** Whether a request without credentials is `system:anonymous` rather than 401. Default false. */
  readonly anonymous?: boolean;
  /**
   * Paths that pass without being asked who is there, in Kubernetes' spelling: exact, or a prefix that ends in a
   * single `*`. Default: none.
   */
  readonly alwaysAllowPaths?: readonly string[];
  /** Whose path rules and messages apply. Default `shard`. */
  readonly serverKind?: ServerKind;
  /** Answers scoped shard-level paths in place of the 501, after an authorization of its own. */
  readonly scopedEndpoint?: Middleware;
  /** Told of every decided or rejected request, when its answer is out. */
  readonly onAuditEvent?: AuditSink;
  /** How long a client may take less than 64 KiB of a body that is being sent (ms) before it is cut. Default 10,000. */
  readonly scrapeWriteTimeoutMs?: number;
  /** How long sending a body may take in all (ms) before its client is cut; 0: no bound. Default 300,000. */
  readonly scrapeDeadlineMs?: number;
  /** Where the filter counts what it does: `new FilterMetrics(registry)`. Default: nowhere. */
  readonly telemetry?: FilterMetrics;
}

const known: ReadonlySet<string> = new Set<keyof MetricsFilterOptions>([
  'exposition',
  'otherExpositions',
  'authenticators',
  'authorizers',
  'anonymous',
  'alwaysAllowPaths',
  'serverKind',
  'scopedEndpoint',
  'onAuditEvent',
  'scrapeWriteTimeoutMs',
  'scrapeDeadlineMs',
  'telemetry',
]);

/** kcp's shards append this to a 403; its cache server does not. */
const denialSuffixes: Readonly<Record<ServerKind, string | undefined>> = {
  shard: 'access denied',
  'cache-server': undefined,
};

/**
 * One middleware that guards and serves `/metrics` as a kcp shard or cache server does: it answers
 * shard-level paths, scoped or bare, and passes every other request on untouched. Mount it at the root,
 * before any router.
 *
 * @throws MetricsFilterOptionError when an option is missing, unknown or of the wrong type.
 */
export function metricsFilter(options: MetricsFilterOptions): Middleware {
  const steps = guardSteps(options);
  const guard = sequence([steps.alwaysAllow, steps.authenticate, steps.authorize, steps.serve]);
  const entrance = sequence([boundWaiting, steps.audit, steps.classify]);
  return function metricsFilter(request, response, next) {
    entrance(request, response, (error) => {
      const isGuarded = requestState(request).classification?.kind === 'shard-level';
      if (error !== undefined || !isGuarded) next(error);
      else guard(request, response, next);
    });
  };
}

/** The steps of one guard, sharing one set of options. They rely on one another, and on no other guard's. */
export interface GuardSteps {
  /** Stands first: takes over the Audit-Id of a front proxy, and leaves an event where somebody listens. */
  readonly audit: Middleware;
  readonly classify: Middleware;
  readonly alwaysAllow: Middleware;
  readonly authenticate: Middleware;
  readonly authorize: Middleware;
  readonly serve: Middleware;
}

/**
 * What `metricsFilter` is made of; for a server that guards more than `/metrics` with the same options.
 * `unscopedPaths` are those of it that do without a shard on a cache server.
 *
 * @throws MetricsFilterOptionError when an option is missing, unknown or of the wrong type.
 */
export function guardSteps(
  options: MetricsFilterOptions,
  extent: 'shard-level' | 'all' = 'shard-level',
  unscopedPaths: readonly string[] = [],
): GuardSteps {
  validate(options);
  const { exposition, authenticators, authorizers, anonymous = false, serverKind = 'shard' } = options;
  const { alwaysAllowPaths = [], scopedEndpoint, onAuditEvent, telemetry, otherExpositions = [] } = options;
  const { scrapeWriteTimeoutMs, scrapeDeadlineMs } = options;
  const expositions = new Map([...otherExpositions, ['/metrics', exposition]]);
  const denialSuffix = denialSuffixes[serverKind];
  const onDecision: DecisionObserver = (authorizer, decision) => telemetry?.decision(authorizer, decision);
  const isFrontProxy = frontProxyCheckOf(authenticators);
  const guard: Guard = {};
  const classifier = createPathClassifier({ serverKind, endpoints: [...expositions.keys()], unscopedPaths });
  return {
    audit: sequence([
      ...(isFrontProxy === undefined ? [] : [adoptAuditId(isFrontProxy)]),
      ...(onAuditEvent === undefined ? [] : [audit(onAuditEvent, isFrontProxy)]),
    ]),
    classify: classifyPath(
      {
        classifier,
        serverKind,
        extent,
        ...(scopedEndpoint === undefined ? {} : { scopedEndpoint }),
        onRejected: (code) => telemetry?.rejected(code),
      },
      guard,
    ),
    alwaysAllow: alwaysAllow(
      alwaysAllowPaths,
      (_, decision) => {
        telemetry?.authorizationAttempt(decision, 0);
      },
      guard,
    ),
    // One connection asks others one question at a time, and nothing is decided without its audit event.
    authenticate: sequence([
      inTurn,
      authenticate(
        {
          authenticators,
          anonymous,
          onAttempt: (result, seconds, username) =>
            telemetry?.authenticationAttempt(result, seconds, username),
          onRefused: (refusals) => {
            for (const { authenticator } of refusals) telemetry?.refusedCredentials(authenticator);
          },
        },
        guard,
      ),
    ]),
    authorize: authorize(
      {
        authorizers,
        classifier,
        ...(denialSuffix === undefined ? {} : { denialSuffix }),
        onDecision,
        onAttempt: (result, seconds) => telemetry?.authorizationAttempt(result, seconds),
        onForbidden: () => telemetry?.forbidden(),
      },
      guard,
    ),
    serve: serveExposition(
      {
        expositions,
        onScrape: (result, seconds) => telemetry?.scrape(result, seconds),
        onStalledClient: () => telemetry?.stalledClient(),
        ...(scrapeWriteTimeoutMs === undefined ? {} : { writeTimeoutMs: scrapeWriteTimeoutMs }),
        ...(scrapeDeadlineMs === undefined ? {} : { deadlineMs: scrapeDeadlineMs }),
      },
      guard,
    ),
  };
}

/** Checks at run time what the types say at compile time, once. */
function validate(options: MetricsFilterOptions): void {
  const given: unknown = options;
  if (!isRecord(given)) throw new MetricsFilterOptionError('options', 'pass an object');
  for (const option of Object.keys(given)) {
    if (!known.has(option)) throw new MetricsFilterOptionError(option, 'is no option of metricsFilter');
  }
  const { exposition, authenticators, authorizers, anonymous, alwaysAllowPaths, serverKind } = given;
  if (!isExposition(exposition)) {
    throw new MetricsFilterOptionError(
      'exposition',
      'pass an Exposition, for example registriesExposition({ registries: [register] })',
    );
  }
  requireOtherExpositions(given['otherExpositions']);
  requireList('authenticators', authenticators, 'authenticate');
  requireList('authorizers', authorizers, 'authorize');
  if (anonymous !== undefined && typeof anonymous !== 'boolean') {
    throw new MetricsFilterOptionError('anonymous', 'pass true or false');
  }
  if (alwaysAllowPaths !== undefined) requirePatterns(alwaysAllowPaths);
  if (serverKind !== undefined && serverKind !== 'shard' && serverKind !== 'cache-server') {
    throw new MetricsFilterOptionError('serverKind', "pass 'shard' or 'cache-server'");
  }
  for (const option of ['scopedEndpoint', 'onAuditEvent'] as const) {
    if (given[option] !== undefined && !isFunction(given[option])) {
      throw new MetricsFilterOptionError(option, 'pass a function');
    }
  }
  const { telemetry, scrapeWriteTimeoutMs: writeMs = 1, scrapeDeadlineMs: deadlineMs = 0 } = given;
  if (!(typeof writeMs === 'number' && writeMs > 0 && writeMs <= largestTimerDelayMs)) {
    throw new MetricsFilterOptionError('scrapeWriteTimeoutMs', 'pass a positive number of milliseconds');
  }
  if (!(typeof deadlineMs === 'number' && deadlineMs >= 0 && deadlineMs <= largestTimerDelayMs)) {
    throw new MetricsFilterOptionError('scrapeDeadlineMs', 'pass a number of milliseconds; 0: no bound');
  }
  if (telemetry !== undefined && !(telemetry instanceof FilterMetrics)) {
    throw new MetricsFilterOptionError('telemetry', 'pass new FilterMetrics(registry)');
  }
}

function isExposition(value: unknown): boolean {
  return isRecord(value) && isFunction(value['render']) && isFunction(value['contentType']);
}

function requireOtherExpositions(value: unknown): void {
  if (value === undefined) return;
  const isTable =
    value instanceof Map &&
    [...value].every(
      ([path, exposition]: [unknown, unknown]) =>
        typeof path === 'string' &&
        /^\/metrics(?:\/[A-Za-z0-9_.-]+)+$/.test(path) &&
        isExposition(exposition),
    );
  if (!isTable) {
    throw new MetricsFilterOptionError(
      'otherExpositions',
      'pass a Map of Expositions by paths below /metrics/',
    );
  }
}

function requirePatterns(value: unknown): void {
  const isList = Array.isArray(value) && value.every((item: unknown) => typeof item === 'string');
  if (!isList) throw new MetricsFilterOptionError('alwaysAllowPaths', 'pass a list of strings');
  try {
    pathMatcher(value);
  } catch (error) {
    throw new MetricsFilterOptionError(
      'alwaysAllowPaths',
      error instanceof Error ? error.message : 'bad pattern',
    );
  }
}

function requireList(option: string, value: unknown, method: string): void {
  const isList =
    Array.isArray(value) &&
    value.every(
      (item: unknown) => isRecord(item) && typeof item['name'] === 'string' && isFunction(item[method]),
    );
  if (!isList) throw new MetricsFilterOptionError(option, `pass a list of objects with name and ${method}()`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}
