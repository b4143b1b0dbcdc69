import { errorClass } from '../authentication/error-class.js';
import type { ServerResponse } from 'node:http';
import type { Authorizer, Decision } from '../authorization/authorizer.js';
import { PolicyUnavailableError } from '../authorization/rbac.js';
import { authorizerUnion, type DecisionObserver } from '../authorization/union.js';
import { goQuote } from '../paths/go-quote.js';
import { parseRequestTarget } from '../paths/request-target.js';
import { requestTarget, tell, waitingStep, type Middleware, type Request } from './middleware.js';
import { requestState } from './request-state.js';
import { sendForbidden, sendInternalError, sendStatus } from './status.js';

export interface AuthorizeOptions {
  /** Asked in this order; the first opinion wins, and without one nothing is allowed. */
  readonly authorizers: readonly Authorizer[];
  /** Appended to a refusal's message; kcp shards say `access denied`. Default: nothing. */
  readonly denialSuffix?: string;
  /** Told what each authorizer said. */
  readonly onDecision?: DecisionObserver;
  /** Told what came of asking them all. */
  readonly onAttempt?: (result: Decision['decision'] | 'error', seconds: number) => void;
  /** Told of each request that nobody allowed: without an opinion there is no decision to be told of. */
  readonly onForbidden?: () => void;
}

const retryAfterSeconds = '1';

/** Stands behind `authenticate`: lets pass what an authorizer allows, and nothing else. */
export function authorize({
  authorizers,
  denialSuffix,
  onDecision = () => undefined,
  onAttempt = () => undefined,
  onForbidden = () => undefined,
}: AuthorizeOptions): Middleware {
  const union = authorizerUnion(authorizers, (authorizer, decision) => {
    tell(() => {
      onDecision(authorizer, decision);
    });
  });
  return waitingStep(async (request, response) => {
    const state = requestState(request);
    if (state.verdict?.decision === 'allow') return true;
    const { identity } = state;
    const path = pathOf(request);
    if (identity === undefined || path === undefined) {
      // Reached only where `authenticate` was left out: nobody is known, so nobody is allowed.
      sendStatus(request, response, 'Unauthorized', 'Unauthorized');
      return false;
    }
    const verb = (request.method ?? '').toLowerCase();
    const started = performance.now();
    const attempted = (result: Decision['decision'] | 'error'): void => {
      tell(() => {
        onAttempt(result, (performance.now() - started) / 1000);
      });
    };
    try {
      state.verdict = await union({ identity, verb, path });
      attempted(state.verdict.decision);
    } catch (error) {
      attempted('error');
      refuseUndecided(request, response, error);
      return false;
    }
    if (state.verdict.decision === 'allow') return true;
    tell(onForbidden);
    sendForbidden(request, response, identity.name, `${verb} path ${goQuote(path)}`, denialSuffix);
    return false;
  }, sendInternalError);
}

function refuseUndecided(request: Request, response: ServerResponse, error: unknown): void {
  const state = requestState(request);
  if (error instanceof PolicyUnavailableError) {
    state.verdict = { decision: 'no-opinion', reason: error.message };
    sendStatus(request, response, 'ServiceUnavailable', 'the policy is not available', {
      'Retry-After': retryAfterSeconds,
    });
    return;
  }
  state.verdict = { decision: 'no-opinion', reason: `authorizer failed: ${errorClass(error)}` };
  sendInternalError(request, response, error);
}

/** The path as the classifier saw it, without its scope; alone, the decoded path of the target. */
function pathOf(request: Request): string | undefined {
  const { classification } = requestState(request);
  if (classification?.kind === 'shard-level' || classification?.kind === 'other') return classification.path;
  return parseRequestTarget(requestTarget(request))?.path;
}
