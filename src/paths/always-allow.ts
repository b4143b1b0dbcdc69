import { isResourcePath } from './resource-path.js';

/** An always-allow path pattern that cannot be read; the message names the pattern. */
export class AlwaysAllowPathError extends Error {
  override readonly name = 'AlwaysAllowPathError';
  readonly code = 'ERR_ALWAYS_ALLOW_PATH';
}

/** Whether a decoded, unscoped path passes without being asked who is there. */
export type PathMatcher = (path: string) => boolean;

/**
 * Kubernetes' `--authorization-always-allow-paths`: what the patterns match, but for requests for resources, which are
 * never allowed so.
 *
 * @throws AlwaysAllowPathError for a `*` anywhere but at the end.
 */
export function alwaysAllowPaths(patterns: readonly string[]): PathMatcher {
  const matches = pathPatterns(patterns);
  return (path) => matches(path) && !isResourcePath(path);
}

/**
 * Exact paths, or prefixes ending in a single `*`; a leading slash may be missing. An empty pattern matches nothing. Never
 * a glob: `/met*` must not come to mean more than its author read in Kubernetes' documentation.
 *
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
