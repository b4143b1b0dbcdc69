import { codedError } from '../coded-error.js';

/** An always-allow path pattern that cannot be read; the message names the pattern. */
export class AlwaysAllowPathError extends codedError('AlwaysAllowPathError', 'ERR_ALWAYS_ALLOW_PATH') {}

/** Whether a decoded, unscoped path passes without authentication. */
export type PathMatcher = (path: string) => boolean;

/**
 * Kubernetes' always-allow paths: what the patterns match, except for requests for resources, which are never allowed
 * this way.
 * @throws AlwaysAllowPathError for a `*` anywhere but at the end.
 */
export function alwaysAllowPaths(patterns: readonly string[]): PathMatcher {
  const matches = pathPatterns(patterns);
  return (path) => matches(path) && !isResourcePath(path);
}

/**
 * Exact paths, or prefixes ending in a single `*`; a leading slash may be missing. An empty pattern matches nothing. Never
 * a glob: `/met*` must not come to mean more than its author read in Kubernetes' documentation.
 * @throws AlwaysAllowPathError for a `*` anywhere but at the end.
 */
export function pathPatterns(patterns: readonly string[]): PathMatcher {
  const exact = new Set<string>();
  const prefixes: string[] = [];
  for (const pattern of patterns) {
    if (pattern === '') continue;
    const path = withoutLeadingSlash(pattern);
    if (path.slice(0, -1).includes('*')) {
      throw new AlwaysAllowPathError(`only trailing * allowed in ${JSON.stringify(pattern)}`);
    }
    if (path.endsWith('*')) prefixes.push(path.slice(0, -1));
    else exact.add(path);
  }
  return (path) => {
    const bare = withoutLeadingSlash(path);
    return exact.has(bare) || prefixes.some((prefix) => bare.startsWith(prefix));
  };
}

function withoutLeadingSlash(path: string): string {
  return path.startsWith('/') ? path.slice(1) : path;
}

// Kubernetes trims the slashes around a path, and counts those that double within it; kcp takes its scopes off before.
const resourcePath =
  /^\/*(?:(?:services\/cache|shards\/[^/]*|clusters\/[^/]*)\/)*(?:api|apis\/[^/]*)\/[^/]*\/[^]*[^/]/;

/**
 * Whether Kubernetes takes a decoded path for a request for a resource (`RequestInfoFactory`), which no rule of
 * non-resource URLs grants, `*` neither: `/api/<version>/<resource>` and `/apis/<group>/<version>/<resource>`, what is
 * below them, and all of these below a scope.
 */
export function isResourcePath(path: string): boolean {
  return resourcePath.test(path);
}

/**
 * Whether Kubernetes lets everybody who is authenticated get a decoded path, by rules on patterns (`/api/*`), so that they find
 * its resources.
 */
export function isDiscoveryPath(path: string): boolean {
  return /^\/(?:api|apis|openapi)(?:\/|$)/.test(path);
}

/** Kubernetes' health endpoints, which answer bare and below a scope. */
export const healthPaths: readonly string[] = ['/livez', '/readyz', '/healthz'];

/** Whether a decoded, unscoped path is one of them, or a single check below it (`/readyz/ping`). */
export function isHealthPath(path: string): boolean {
  return healthPaths.some((health) => path === health || path.startsWith(`${health}/`));
}
