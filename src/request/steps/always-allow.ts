import { alwaysAllowPaths } from '../../paths/always-allow.js';
import { decidedPath } from '../../paths/classify.js';
import { refusePath } from './classify-path.js';
import { tell, type Middleware } from '../middleware.js';
import { letPass, requestState, type Guard } from '../request-state.js';
import type { DecisionObserver } from '../../authorization/authorizer.js';

/** The authorizer's name in audit events and metrics, wherever it stands. */
const authorizer = 'AlwaysAllowPaths';

/**
 * Stands before authentication: what everybody may see must not wait for finding out who asks, and a probe
 * with a stale token is still a probe. It lets pass the later steps of its own guard: of the `guardSteps` whose
 * `classify` stands in front, or of the `chain` it stands in; no others rely on it. Below a scope, health alone passes; a
 * path that is not canonical is answered as by `classifyPath`.
 *
 * @throws AlwaysAllowPathError for a `*` anywhere but at a pattern's end.
 */
export function alwaysAllow(
  patterns: readonly string[],
  onDecision: DecisionObserver = () => undefined,
  guard?: Guard,
): Middleware {
  const matches = alwaysAllowPaths(patterns);
  const step: Middleware = (request, response, next) => {
    const state = requestState(request);
    const isOwn = guard === undefined || state.classifiedBy === guard;
    const classification = isOwn ? state.classification : undefined;
    if (classification !== undefined && refusePath(request, response, classification)) return;
    const path = decidedPath(classification);
    if (path !== undefined && matches(path)) {
      letPass(state, { decision: 'allow', reason: 'always allowed path', authorizer }, step, guard);
      tell(() => {
        onDecision(authorizer, 'allow');
      });
    }
    next();
  };
  return step;
}
