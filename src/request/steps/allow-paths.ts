import micromatch from 'micromatch';
import type { Middleware } from '../middleware.js';
import { requestState } from '../request-state.js';
import { sendStatus } from '../answer/status.js';
import { isHealthPath } from '../../paths/always-allow.js';

/** A glob that cannot be used; the message names it. */
export class AllowPathsError extends Error {
  override readonly name = 'AllowPathsError';
  readonly code = 'ERR_ALLOW_PATHS';
}

const maxGlobLength = 1024;

/**
 * Answers 404 to every path that no glob matches, before anyone is asked who he is: kube-rbac-proxy's
 * `--allow-paths`. It can only take away; who is allowed what it leaves is decided elsewhere, and never by
 * a glob. Health is always left.
 *
 * @throws AllowPathsError for a glob that is no absolute path, is too long or expands without end.
 */
export function allowPaths(globs: readonly string[]): Middleware {
  const isAllowed = allowedPaths(globs);
  return (request, response, next) => {
    const { classification } = requestState(request);
    const hasPath = classification?.kind === 'shard-level' || classification?.kind === 'other';
    if (hasPath && isAllowed(classification.path)) {
      next();
      return;
    }
    requestState(request).rejected = 'not among the allowed paths';
    sendStatus(request, response, 'NotFound', 'the server could not find the requested resource');
  };
}

/** Which paths `allowPaths` leaves. @throws AllowPathsError */
export function allowedPaths(globs: readonly string[]): (path: string) => boolean {
  const matchers = globs.map((glob) => {
    if (!glob.startsWith('/') || glob.length > maxGlobLength || /\{[^}]*\.\./.test(glob)) {
      throw new AllowPathsError(`${JSON.stringify(glob)} is no glob of an absolute path`);
    }
    return micromatch.matcher(glob, { dot: true, noextglob: true, nonegate: true });
  });
  return (path) => isHealthPath(path) || matchers.some((matches) => matches(path));
}
