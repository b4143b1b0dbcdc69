import {
  parseRequestTarget,
  cleanPath,
  locationOf,
  isCanonicalReading,
  laxestReading,
  looksShardLevel,
  goQuote,
} from './request-target.js';
import { healthPaths, isHealthPath, pathPatterns, type PathMatcher } from './always-allow.js';
import { aBoolean, checkOptions, oneOf, optional, texts } from '../option-checks.js';

/** What a URL prefix selects. `*` stands for all of them, an empty string never occurs. */
export interface Scope {
  /** The shard of a cache server's `/shards/<shard>`. */
  readonly shard?: string;
  /** The logical cluster of `/clusters/<logical cluster>`. */
  readonly cluster?: string;
}

/** Which prefixes select a scope: a shard knows clusters, a cache server knows shards and clusters in them. */
export type ServerKind = 'shard' | 'cache-server';

/** What a request target means, before anyone is asked who they are. */
export type PathClassification =
  /** The target or its scope is malformed: 400 with this message. */
  | { readonly kind: 'bad-request'; readonly message: string }
  /** Unscoped and not canonical: 307 to the location. `shardLevel`: the target leads to a shard-level path. */
  | { readonly kind: 'redirect'; readonly location: string; readonly shardLevel: boolean }
  /** A shard-level path below a scope: 501. */
  | { readonly kind: 'scoped-shard-level'; readonly scope: Scope; readonly path: string }
  /** `/metrics` of one workspace, by its name or path; only where such metrics are served. */
  | { readonly kind: 'workspace'; readonly workspace: string; readonly path: string }
  /** The list of workspaces for service discovery; only where their metrics are served. */
  | { readonly kind: 'workspace-targets'; readonly path: string }
  /** A path that is passed on to a backend. */
  | { readonly kind: 'gateway'; readonly path: string }
  /** Not a shard-level path, but a router might take it for one: 404. */
  | { readonly kind: 'lookalike' }
  /** Another path to a reader that decodes once more than HTTP says, or turns backslashes: 400 where it is decided on. */
  | { readonly kind: 'ambiguous' }
  /** Bare `/metrics`, or anything below `/metrics/`. */
  | { readonly kind: 'shard-level'; readonly path: string }
  /** Everything else; `path` is without its scope. */
  | { readonly kind: 'other'; readonly path: string; readonly scope: Scope };

type OfWorkspaces = Extract<PathClassification, { kind: 'workspace' | 'workspace-targets' }>;
type OfMetrics = Extract<PathClassification, { kind: 'shard-level' }> | OfWorkspaces;
type Guarded = Extract<PathClassification, { kind: 'gateway' }> | OfMetrics;

/** Maps a raw request target to its meaning; pure, and linear in the target's length. */
export type PathClassifier = (target: string) => PathClassification;

export interface PathClassifierOptions {
  /** Default `shard`. */
  readonly serverKind?: ServerKind;
  /** The shard-level paths that are served; on a cache server only these do without a shard. */
  readonly endpoints: readonly string[];
  /** Other paths that do without a shard on a cache server, beside health. Default: none. */
  readonly unscopedPaths?: readonly string[];
  /** Whether a shard serves metrics of single workspaces, and the list of them. Default false. */
  readonly servesWorkspaces?: boolean;
  /** Paths that are passed on to a backend, exact or ending in `/*`; below a scope they are 501. Default: none. */
  readonly gatewayPaths?: readonly string[];
}

/** Where service discovery finds the workspaces whose metrics the client may read. */
export const workspaceTargetsPath = '/http-sd/workspaces';

/** Where the status pages of the ready server are: each is authorized by its own path. */
export const zPagePaths = ['/', '/flagz', '/statusz'] as const;

/** A logical cluster's name, or a workspace's path. */
export const clusterPath = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?::[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** A cache server stores objects by cluster name, never by path; kcp's own (`system:admin`) are names with a colon. */
export const clusterName = /^(?:[^:]*|system:[a-z0-9-]+)$/;
const shardName = /^[a-z0-9\-:]{1,61}$/;
const unscoped: Scope = {};
/** The second slash of an empty cluster in front of health: see `belowCluster`. */
const emptyCluster = new RegExp(`(?<=/clusters)/(?=(?:${healthPaths.join('|')})(?:/|$))`);

/** Whether a decoded path describes the whole process: `/metrics` and everything below `/metrics/`. */
export function isShardLevelPath(path: string): boolean {
  return path === '/metrics' || path.startsWith('/metrics/');
}

/** The path rules of a kcp shard or cache server (README, "Differences from kcp", names where they are stricter). */
export function createPathClassifier(options: PathClassifierOptions): PathClassifier {
  checkOptions(options, {
    serverKind: optional(oneOf('shard', 'cache-server')),
    endpoints: texts,
    unscopedPaths: optional(texts),
    servesWorkspaces: optional(aBoolean),
    gatewayPaths: optional(texts),
  });
  const { serverKind = 'shard', endpoints, unscopedPaths = [], servesWorkspaces = false } = options;
  const isOfGateway = pathPatterns(options.gatewayPaths ?? []);
  const withoutShard = [...healthPaths, ...endpoints, ...unscopedPaths];
  const rules =
    serverKind === 'shard'
      ? shardRules
      : cacheServerRules((path) => withoutShard.includes(path) || isOfGateway(path));
  const classify: PathClassifier = (target) => {
    const parsed = parseRequestTarget(target);
    if (parsed === undefined) {
      // A query may carry secrets, and a message goes into the audit log.
      return badRequest(`invalid request target: ${goQuote(bounded(target.replace(/[?#].*$/s, '')))}`);
    }
    const cleaned = cleanPath(parsed.path);
    if (cleaned !== parsed.path && !rules.isScoped(parsed.path)) {
      const location = locationOf(cleaned, parsed.query);
      return { kind: 'redirect', location, shardLevel: looksShardLevel(target) };
    }
    const classified = rules.classify(parsed.path);
    if (servesWorkspaces) {
      const ofWorkspaces = ofWorkspace(classified);
      if (ofWorkspaces !== undefined && isCanonicalReading(laxestReading(target))) return ofWorkspaces;
    }
    if (classified.kind !== 'other' && classified.kind !== 'shard-level') return classified;
    const reading = laxestReading(target).replace(emptyCluster, '');
    const isCanonical = isCanonicalReading(reading);
    if (isCanonical && classified.kind === 'shard-level') return classified;
    if (looksShardLevel(target, reading)) return { kind: 'lookalike' };
    if (!isCanonical) return { kind: 'ambiguous' };
    if (classified.kind !== 'other' || !isOfGateway(classified.path)) return classified;
    const { path, scope } = classified;
    return scope === unscoped ? { kind: 'gateway', path } : { kind: 'scoped-shard-level', scope, path };
  };
  // What most requests ask for is classified once.
  const known = new Map(healthPaths.map((path) => [path, classify(path)]));
  for (const path of endpoints) known.set(path, { kind: 'shard-level', path });
  return (target) => known.get(target) ?? classify(target);
}

/** kcp's wording, by kind of server. */
const notAvailable: Readonly<Record<ServerKind, string>> = {
  shard: 'shard-level endpoint not available at workspace scope',
  'cache-server': 'shard-level endpoint not available at shard or workspace scope',
};

/** The answer to a path that is not decided on, or undefined. `serverKind` words the 501; default: by the scope. */
export function pathRefusal(classification: PathClassification, serverKind?: ServerKind) {
  switch (classification.kind) {
    case 'bad-request':
      return { code: 400, reason: classification.message };
    case 'ambiguous':
      return { code: 400, reason: 'path is not canonical' };
    case 'redirect':
      return { code: 307, reason: 'path is not canonical' };
    case 'scoped-shard-level': {
      const kindOfScope = classification.scope.shard === undefined ? 'shard' : 'cache-server';
      return { code: 501, reason: notAvailable[serverKind ?? kindOfScope] };
    }
    case 'lookalike':
      return { code: 404, reason: 'looks like a shard-level path' };
    case 'shard-level':
    case 'workspace':
    case 'workspace-targets':
    case 'gateway':
    case 'other':
      return undefined;
  }
}

/** Whether a guard that an application mounts answers it; everything else is for the application behind. */
export function isGuarded(classification?: PathClassification): classification is Guarded {
  return isOfMetrics(classification) || classification?.kind === 'gateway';
}

export function isOfMetrics(classification?: PathClassification): classification is OfMetrics {
  return classification?.kind === 'shard-level' || isOfWorkspaces(classification);
}

export function isOfWorkspaces(classification?: PathClassification): classification is OfWorkspaces {
  return classification?.kind === 'workspace' || classification?.kind === 'workspace-targets';
}

/**
 * The path that the policy of the root workspace may decide on. Below a scope that is only health, and below a shard the
 * version as well: both describe the process, whatever stands in front of them.
 */
export function decidedPath(classification: PathClassification | undefined): string | undefined {
  if (classification?.kind === 'shard-level' || classification?.kind === 'gateway')
    return classification.path;
  if (classification?.kind !== 'other') return undefined;
  const { path, scope } = classification;
  const isScoped = scope.shard !== undefined || scope.cluster !== undefined;
  const isOfProcess = isHealthPath(path) || (path === '/version' && scope.shard !== undefined);
  return isScoped && !isOfProcess ? undefined : path;
}

/** What a shard serves of workspaces, if it does. Nothing below a workspace's `/metrics`, nor of all workspaces. */
function ofWorkspace(classified: PathClassification): PathClassification | undefined {
  if (classified.kind !== 'scoped-shard-level' && classified.kind !== 'other') return undefined;
  const { kind, path, scope } = classified;
  if (kind === 'other')
    return path === workspaceTargetsPath && scope === unscoped
      ? { kind: 'workspace-targets', path }
      : undefined;
  const { shard, cluster = '*' } = scope;
  return shard === undefined && cluster !== '*' && path === '/metrics'
    ? { kind: 'workspace', workspace: cluster, path }
    : undefined;
}

interface PathRules {
  isScoped(path: string): boolean;
  classify(path: string): PathClassification;
}

const shardRules: PathRules = {
  isScoped: (path) => path.startsWith('/clusters/'),
  classify(path) {
    const cluster = splitPrefix(path, '/clusters/');
    return cluster === undefined ? withoutScope(path) : belowCluster(cluster, unscoped);
  },
};

function cacheServerRules(isWithoutShard: PathMatcher): PathRules {
  return {
    isScoped: (path) => path.startsWith('/services/cache/') || path.startsWith('/shards/'),
    classify(fullPath) {
      const path = fullPath.replace(/^\/services\/cache(?=\/)/, '');
      const shard = splitPrefix(path, '/shards/');
      if (shard === undefined) {
        if (cleanPath(path) !== path) return notCanonical(path);
        return isWithoutShard(path) ? withoutScope(path) : badRequest('a shard name is required');
      }
      if (shard.rest === '') {
        return badRequest(`unable to parse shard: no \`/\` found in path ${bounded(shard.name)}`);
      }
      if (shard.name === '' && isShardLevelPath(shard.rest)) {
        return { kind: 'scoped-shard-level', scope: { shard: '*' }, path: shard.rest };
      }
      if (shard.name !== '*' && !shardName.test(shard.name)) {
        return badRequest(`invalid shard: ${goQuote(bounded(shard.name))} does not match the regex`);
      }
      const scope: Scope = { shard: shard.name };
      const cluster = splitPrefix(shard.rest, '/clusters/');
      return cluster === undefined ? withinScope(shard.rest, scope) : belowCluster(cluster, scope);
    },
  };
}

interface PrefixedName {
  readonly name: string;
  /** What follows the name, with its leading slash; empty when nothing does. */
  readonly rest: string;
}

function splitPrefix(path: string, prefix: string): PrefixedName | undefined {
  if (!path.startsWith(prefix)) return undefined;
  const end = path.indexOf('/', prefix.length);
  return end < 0
    ? { name: path.slice(prefix.length), rest: '' }
    : { name: path.slice(prefix.length, end), rest: path.slice(end) };
}

function belowCluster({ name, rest }: PrefixedName, scope: Scope): PathClassification {
  // An empty name selects what `*` selects in kcp; neither reaches a shard-level path here.
  if (name === '' && isShardLevelPath(rest)) {
    return { kind: 'scoped-shard-level', scope: { ...scope, cluster: '*' }, path: rest };
  }
  // Below a shard it selects nothing either, and health needs nothing selected.
  if (name === '' && scope.shard !== undefined && isHealthPath(rest)) return withinScope(rest, scope);
  if (name !== '*' && !clusterPath.test(name)) {
    return badRequest(`invalid cluster: ${goQuote(bounded(name))} does not match the regex`);
  }
  if (scope.shard !== undefined && !clusterName.test(name)) {
    return badRequest(`invalid cluster: ${goQuote(bounded(name))} is not a logical cluster name`);
  }
  return withinScope(rest === '' ? '/' : rest, { ...scope, cluster: name });
}

function withinScope(path: string, scope: Scope): PathClassification {
  if (cleanPath(path) !== path) return notCanonical(path);
  return isShardLevelPath(path)
    ? { kind: 'scoped-shard-level', scope, path }
    : { kind: 'other', path, scope };
}

function withoutScope(path: string): PathClassification {
  return isShardLevelPath(path) ? { kind: 'shard-level', path } : { kind: 'other', path, scope: unscoped };
}

function notCanonical(path: string): PathClassification {
  return badRequest(`path is not canonical: ${goQuote(bounded(path))}`);
}

function badRequest(message: string): PathClassification {
  return { kind: 'bad-request', message };
}

/** A message repeats what was sent, but not all of it. */
function bounded(text: string): string {
  return text.length <= 256 ? text : `${text.slice(0, 256)}…`;
}
