import { alwaysAllowPaths as matcher } from '../paths/always-allow.js';
import { allow, noOpinion, type Authorizer } from './authorizer.js';

/**
 * Allows some paths to everybody, as `--authorization-always-allow-paths` does.
 *
 * @throws AlwaysAllowPathError for a `*` anywhere but at a pattern's end.
 */
export function alwaysAllowPaths(patterns: readonly string[]): Authorizer {
  const matches = matcher(patterns);
  return {
    name: 'AlwaysAllowPaths',
    authorize: ({ path }) => (matches(path) ? allow('always allowed path') : noOpinion()),
  };
}
