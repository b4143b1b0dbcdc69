import micromatch from 'micromatch';
import { tell, type Middleware } from '../middleware.js';
import { letPass, requestState } from '../request-state.js';
import type { DecisionObserver } from '../../authorization/authorizer.js';

/** A glob that cannot be used; the message names it. */
export class IgnorePathsError extends Error {
  override readonly name = 'IgnorePathsError';
  readonly code = 'ERR_IGNORE_PATHS';
}

/** In audit events and metrics. */
const authorizer = 'IgnorePaths';

const maxGlobLength = 1024;

/**
 * Nothing but what Go's `path.Match` and micromatch read alike: what gives away must not come to mean more than its
 * author read. So no braces, parentheses or `**`, and of a bracket only letters, digits and ranges of them.
 */
const plainGlob = /^(?:\/|\/(?:[A-Za-z0-9_.~:@%-]|\*(?!\*)|\?|\[\^?(?:[A-Za-z0-9](?:-[A-Za-z0-9])?)+\])+)+$/;

/**
 * Lets shard-level paths that a glob matches be served to everybody, without asking who he is: kube-rbac-proxy's
 * `--ignore-paths`. Stands where always-allow paths do, and lets pass whom they do. `*` and `?` match no `/`; the path is the one that was
 * classified, so scoped paths and those that are not canonical have been answered before.
 *
 * @throws IgnorePathsError
 */
export function ignorePaths(
  globs: readonly string[],
  onDecision: DecisionObserver = () => undefined,
): Middleware {
  const isIgnored = ignoredPaths(globs);
  const step: Middleware = (request, _response, next) => {
    const state = requestState(request);
    const { classification } = state;
    if (state.isAllowed === true || classification?.kind !== 'shard-level') {
      next();
      return;
    }
    if (isIgnored(classification.path)) {
      letPass(state, { decision: 'allow', reason: 'ignored path', authorizer }, step);
      tell(() => {
        onDecision(authorizer, 'allow');
      });
    }
    next();
  };
  return step;
}

/** Which shard-level paths `ignorePaths` lets everybody read. @throws IgnorePathsError */
export function ignoredPaths(globs: readonly string[]): (path: string) => boolean {
  const matchers = globs.map((glob) => {
    if (glob.length > maxGlobLength || !plainGlob.test(glob)) {
      throw new IgnorePathsError(
        `${JSON.stringify(glob)} is no absolute path with nothing but *, ? and [] of letters and digits`,
      );
    }
    return micromatch.matcher(glob, {
      dot: true,
      noextglob: true,
      nobrace: true,
      noglobstar: true,
      nonegate: true,
    });
  });
  return (path) => matchers.some((matches) => matches(path));
}
