import type { DecisionObserver } from '../authorization/union.js';
import { alwaysAllowPaths } from '../paths/always-allow.js';
import { tell, type Middleware } from './middleware.js';
import { requestState } from './request-state.js';

/** The authorizer's name in audit events and metrics, wherever it stands. */
const authorizer = 'AlwaysAllowPaths';

/**
 * Stands before authentication: what everybody may see must not wait for finding out who asks, and a probe
 * with a stale token is still a probe.
 *
 * @throws AlwaysAllowPathError for a `*` anywhere but at a pattern's end.
 */
export function alwaysAllow(
  patterns: readonly string[],
  onDecision: DecisionObserver = () => undefined,
): Middleware {
  const matches = alwaysAllowPaths(patterns);
  return (request, _response, next) => {
    const state = requestState(request);
    const { classification } = state;
    const hasPath = classification?.kind === 'shard-level' || classification?.kind === 'other';
    if (hasPath && matches(classification.path)) {
      state.verdict = { decision: 'allow', reason: 'always allowed path', authorizer };
      tell(() => {
        onDecision(authorizer, 'allow');
      });
    }
    next();
  };
}
