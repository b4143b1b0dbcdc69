import type { ServerResponse } from 'node:http';
import { errorClass } from '../../error-class.js';
import {
  type Authorizer,
  type Decision,
  authorizerUnion,
  type DecisionObserver,
} from '../../authorization/authorizer.js';
import { PolicyUnavailableError } from '../../authorization/authorization-errors.js';
import { createPathClassifier, decidedPath, type PathClassifier } from '../../paths/classify.js';
import { parseRequestTarget, goQuote } from '../../paths/request-target.js';
import { refusePath } from './classify-path.js';
import { requestTarget, tell, waitingStep, type Middleware, type Request } from '../middleware.js';
import { isPassed, noteAllowed, requestState, type Guard } from '../request-state.js';
import { sendForbidden, sendInternalError, sendStatus } from '../answer/status.js';

export interface AuthorizeOptions {
  /** Asked in this order; the first opinion wins, and without one nothing is allowed. */
  readonly authorizers: readonly Authorizer[];
  /** Appended to a refusal's message; kcp shards say `access denied`. Default: nothing. */
  readonly denialSuffix?: string;
  /**
   * What paths mean, where no `classifyPath` of the same guard stands in front. Default: the rules of a shard, and below
   * `/shards/` and `/services/cache/` those of a cache server.
   */
  readonly classifier?: PathClassifier;
  /**
   * What is below a scope (`/clusters/root:org/debug/state`) and is neither health nor a shard-level path, which is 501:
   * `refuse` answers 403, since root's policy says nothing of other workspaces; `whole` asks the authorizers for the path
   * with its scope. Default `refuse`.
   */
  readonly scopedPaths?: 'refuse' | 'whole';
  /** Told what each authorizer said. */
  readonly onDecision?: DecisionObserver;
  /** Told what came of asking them all. */
  readonly onAttempt?: (result: Decision['decision'] | 'error', seconds: number) => void;
  /** Told of each request that nobody allowed: without an opinion there is no decision to be told of. */
  readonly onForbidden?: () => void;
}

const retryAfterSeconds = '1';

const ofShard = createPathClassifier({ endpoints: [] });
const ofCacheServer = createPathClassifier({ serverKind: 'cache-server', endpoints: [] });
const cacheServerScope = /^\/(?:shards|services\/cache)\//;

const ofEitherServer: PathClassifier = (target) => {
  const isCacheServers = cacheServerScope.test(parseRequestTarget(target)?.path ?? '');
  return (isCacheServers ? ofCacheServer : ofShard)(target);
};

/**
 * Stands behind `authenticate`: lets pass what an authorizer allows, and nothing else. It decides for itself, whatever
 * another guard has decided, and never on a path that is not canonical: that is answered as by `classifyPath`.
 * `guard`: whose step it is (`guardSteps`), and whose `authenticate` says who asks; default: steps that stand alone.
 *
 * @throws TypeError for another word in `scopedPaths`.
 */
export function authorize(
  {
    authorizers,
    denialSuffix,
    classifier = ofEitherServer,
    scopedPaths = 'refuse',
    onDecision = () => undefined,
    onAttempt = () => undefined,
    onForbidden = () => undefined,
  }: AuthorizeOptions,
  guard?: Guard,
): Middleware {
  if (!['refuse', 'whole'].includes(scopedPaths))
    throw new TypeError("scopedPaths: pass 'refuse' or 'whole'");
  const union = authorizerUnion(authorizers, (authorizer, decision) => {
    tell(() => {
      onDecision(authorizer, decision);
    });
  });
  const step = waitingStep(async (request, response) => {
    const state = requestState(request);
    if (isPassed(state, guard, step)) return true;
    const known = state.classifiedBy === guard ? state.classification : undefined;
    const classification = known ?? classifier(requestTarget(request));
    if (refusePath(request, response, classification)) return false;
    const identity = state.identifiedBy === guard ? state.identity : undefined;
    if (identity === undefined) {
      // Reached only where `authenticate` was left out: nobody is known, so nobody is allowed.
      state.verdict = { decision: 'no-opinion', reason: 'nobody has said who sends the request' };
      sendStatus(request, response, 'Unauthorized', 'Unauthorized');
      return false;
    }
    const verb = (request.method ?? '').toLowerCase();
    const unscoped = decidedPath(classification);
    const path = unscoped ?? parseRequestTarget(requestTarget(request))?.path ?? '';
    const started = performance.now();
    const attempted = (result: Decision['decision'] | 'error'): void => {
      tell(() => {
        onAttempt(result, (performance.now() - started) / 1000);
      });
    };
    if (unscoped === undefined && scopedPaths === 'refuse') {
      state.verdict = { decision: 'no-opinion', reason: 'below a scope, of which this policy says nothing' };
    } else {
      try {
        state.verdict = await union({ identity, verb, path });
      } catch (error) {
        attempted('error');
        refuseUndecided(request, response, error);
        return false;
      }
    }
    attempted(state.verdict.decision);
    if (state.verdict.decision === 'allow') {
      noteAllowed(state, state.verdict, guard);
      return true;
    }
    tell(onForbidden);
    sendForbidden(request, response, identity.name, `${verb} path ${goQuote(path)}`, denialSuffix);
    return false;
  }, sendInternalError);
  return step;
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
