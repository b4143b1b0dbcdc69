import type { Registry } from 'prom-client';
import {
  AlwaysAllowPathError,
  pathPatterns,
  type PathMatcher,
  healthPaths,
} from '../../paths/always-allow.js';
import type { BoundedLabelsOptions, InstrumentedResource } from './bounded-labels.js';

export interface ApiserverMetricsOptions {
  /** Where the metrics stand. */
  readonly registry: Registry;
  /**
   * The resources that are told apart; every other is `other`. Default: those of the requests that were served,
   * up to `maxResources`. Name them where paths have the shape of Kubernetes' but hold something else in its
   * place, such as `/api/users/42`.
   */
  readonly resources?: readonly InstrumentedResource[];
  /** How many resources and subresources may be learned. Default 500. */
  readonly maxResources?: number;
  /** Exact paths that are counted although they are no resources. Default: `/livez`, `/readyz`, `/healthz`. */
  readonly nonResourcePaths?: readonly string[];
  /**
   * Paths that are not even in flight: exact, or a prefix that ends in a single `*`. Default: `/metrics` and what
   * lies below it, so that a scrape does not see itself.
   */
  readonly ignorePaths?: readonly string[];
}

/** An option that cannot be used; the message names it and says what to pass instead. */
export class ApiserverMetricsOptionError extends TypeError {
  override readonly name = 'ApiserverMetricsOptionError';
  readonly code = 'ERR_APISERVER_METRICS_OPTION';

  constructor(
    readonly option: string,
    message: string,
  ) {
    super(`${option}: ${message}`);
  }
}

export interface ValidOptions extends BoundedLabelsOptions {
  readonly registry: Registry;
  readonly namedPaths: ReadonlySet<string>;
  readonly isIgnored: PathMatcher;
}

const known: ReadonlySet<string> = new Set<keyof ApiserverMetricsOptions>([
  'registry',
  'resources',
  'maxResources',
  'nonResourcePaths',
  'ignorePaths',
]);
const mostResources = 100_000;

/** @throws ApiserverMetricsOptionError */
export function validOptions(options: ApiserverMetricsOptions): ValidOptions {
  const {
    registry,
    resources,
    maxResources = 500,
    nonResourcePaths = healthPaths,
    ignorePaths = ['/metrics', '/metrics/*'],
  } = options;
  const refuse = (option: string, message: string): never => {
    throw new ApiserverMetricsOptionError(option, message);
  };
  for (const option of Object.keys(options))
    if (!known.has(option)) refuse(option, 'there is no such option');
  if (!isRegistry(registry)) refuse('registry', 'pass a prom-client Registry');
  if (resources !== undefined && !isList(resources, isResource)) {
    refuse('resources', 'pass a list of { group, version, resource, subresources? }');
  }
  if (!Number.isInteger(maxResources) || maxResources < 0 || maxResources > mostResources) {
    refuse('maxResources', `pass an integer from 0 to ${mostResources}`);
  }
  if (!isList(nonResourcePaths, isPath)) refuse('nonResourcePaths', 'pass a list of paths that begin with /');
  if (!isList(ignorePaths, isPath)) refuse('ignorePaths', 'pass a list of paths that begin with /');
  const namedPaths = new Set(nonResourcePaths);
  return { registry, resources, maxResources, namedPaths, isIgnored: matcherOf(ignorePaths) };
}

function matcherOf(paths: readonly string[]): PathMatcher {
  try {
    return pathPatterns(paths);
  } catch (error) {
    if (error instanceof AlwaysAllowPathError) {
      throw new ApiserverMetricsOptionError('ignorePaths', error.message);
    }
    throw error;
  }
}

function isRegistry(value: unknown): boolean {
  return typeof (value as { registerMetric?: unknown } | undefined)?.registerMetric === 'function';
}

function isList(value: unknown, isElement: (element: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isElement);
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' && value.startsWith('/');
}

function isResource(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { group, version, resource, subresources = [] } = value as Readonly<Record<string, unknown>>;
  return typeof group === 'string' && isWord(version) && isWord(resource) && isList(subresources, isWord);
}

/** A segment of a path. */
function isWord(value: unknown): boolean {
  return typeof value === 'string' && /^[^/]+$/.test(value);
}
