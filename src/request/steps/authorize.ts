import type { ServerResponse } from 'node:http';
import { PolicyUnavailableError } from '../../authorization/authorization-errors.js';
import {
  allow,
  authorizerUnion,
  noOpinion,
  Opinion,
  type Attributes,
  type Authorizer,
  type Decision,
  type DecisionObserver,
  type Verdict,
} from '../../authorization/authorizer.js';
import type { WorkspaceAccess } from '../../authorization/workspace-access.js';
import { errorClass } from '../../error-class.js';
import {
  createPathClassifier,
  decidedPath,
  isOfWorkspaces,
  type PathClassification,
  type PathClassifier,
} from '../../paths/classify.js';
import { goQuote, parseRequestTarget } from '../../paths/request-target.js';
import { sendForbidden, sendInternalError, sendStatus } from '../answer/status.js';
import {
  isPassed,
  listenerOf,
  requestState,
  requestTarget,
  waitingStep,
  type Guard,
  type Middleware,
  type Request,
  type RequestState,
} from '../middleware.js';
import { refusePath } from './classify-path.js';
import { aFunction, aText, checkOptions, namedWith, oneOf, optional } from '../../option-checks.js';

export interface AuthorizeOptions {
  /** Asked in this order; the first opinion wins, and without one nothing is allowed. */
  readonly authorizers: readonly Authorizer[];
  /** Appended to a refusal's message; kcp shards say `access denied`. Default: nothing. */
  readonly denialSuffix?: string | undefined;
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
  /** Decides alone about metrics of single workspaces: none of the authorizers is asked. Default: they are refused. */
  readonly workspaces?: WorkspaceAccess | undefined;
  readonly onDecision?: DecisionObserver;
  /** Told the outcome of asking them all. */
  readonly onAttempt?: (result: Decision['decision'] | 'error', seconds: number) => void;
  /** Told of each request that no authorizer allowed. */
  readonly onForbidden?: () => void;
}

const workspaceAuthorizer = 'Workspaces';

const ofShard = createPathClassifier({ endpoints: [] });
const ofCacheServer = createPathClassifier({ serverKind: 'cache-server', endpoints: [] });
const cacheServerScope = /^\/(?:shards|services\/cache)\//;

const ofEitherServer: PathClassifier = (target) =>
  (cacheServerScope.test(parseRequestTarget(target)?.path ?? '') ? ofCacheServer : ofShard)(target);

/**
 * Stands behind `authenticate`: lets pass what an authorizer allows, and nothing else. It decides for itself, whatever
 * another guard has decided, and never on a path that is not canonical: that is answered as by `classifyPath`.
 * `guard`: whose step it is (`guardSteps`), and whose `authenticate` counts; default: steps that stand alone.
 * @throws MetricsFilterOptionError
 */
export function authorize(options: AuthorizeOptions, guard?: Guard): Middleware {
  checkOptions(options, {
    authorizers: namedWith('authorize'),
    denialSuffix: optional(aText),
    classifier: optional(aFunction),
    scopedPaths: optional(oneOf('refuse', 'whole')),
  });
  const { authorizers, denialSuffix, classifier = ofEitherServer, workspaces } = options;
  const listener =
    guard?.listener ??
    listenerOf('authorize', {
      decision: ({ authorizer, decision }) => options.onDecision?.(authorizer, decision),
      authorization: ({ result, seconds }) => options.onAttempt?.(result, seconds),
      forbidden: () => options.onForbidden?.(),
    });
  const observe: DecisionObserver = (authorizer, decision) => {
    listener({ kind: 'decision', authorizer, decision });
  };
  const union = authorizerUnion(authorizers, observe);
  const step = waitingStep((request, response) => {
    const state = requestState(request);
    if (isPassed(state, guard, step)) return true;
    const known = state.classifiedBy === guard ? state.classification : undefined;
    const classification = known ?? classifier(requestTarget(request));
    if (refusePath(request, response, classification)) return false;
    const identity = state.identifiedBy === guard ? state.identity : undefined;
    if (identity === undefined) {
      // Reached only where `authenticate` was left out: without an identity nothing is allowed.
      state.verdict = noOpinion('no step has established who sends the request');
      sendStatus(request, response, 'Unauthorized', 'Unauthorized');
      return false;
    }
    const verb = (request.method ?? '').toLowerCase();
    const isForWorkspaces = workspaces !== undefined && isOfWorkspaces(classification);
    // Undefined where it may not be decided on without its scope.
    const unscopedPath = isForWorkspaces ? classification.path : decidedPath(classification);
    const path = unscopedPath ?? parseRequestTarget(requestTarget(request))?.path ?? '';
    const isOfGateway = classification.kind === 'gateway';
    const attributes = isOfGateway ? { identity, verb, path, isOfGateway } : { identity, verb, path };
    const started = performance.now();
    const tellOutcome = (result: Decision['decision'] | 'error'): void => {
      listener({ kind: 'authorization', result, seconds: (performance.now() - started) / 1000 });
    };
    const conclude = (verdict: Verdict): boolean => {
      state.verdict = verdict;
      tellOutcome(verdict.decision);
      if (verdict.decision === 'allow') {
        state.isAllowed = true;
        state.allowedBy = guard;
        return true;
      }
      listener({ kind: 'forbidden' });
      sendForbidden(request, response, identity.name, `${verb} path ${goQuote(path)}`, denialSuffix);
      return false;
    };
    const fail = (error: unknown): false => {
      tellOutcome('error');
      answerUndecided(request, response, error);
      return false;
    };
    let verdict: Verdict | Promise<Verdict>;
    try {
      if (isForWorkspaces) verdict = askWorkspaces(workspaces, attributes, classification, state, observe);
      else if (unscopedPath === undefined && options.scopedPaths !== 'whole')
        verdict = noOpinion('below a scope, of which this policy says nothing');
      else verdict = union(attributes);
    } catch (error) {
      return fail(error);
    }
    return verdict instanceof Promise ? verdict.then(conclude, fail) : conclude(verdict);
  }, sendInternalError);
  return step;
}

/** Notes the logical cluster where its metrics may be read. @throws PolicyUnavailableError */
function askWorkspaces(
  access: WorkspaceAccess,
  { identity, verb }: Attributes,
  classification: PathClassification,
  state: RequestState,
  observe: DecisionObserver,
): Verdict {
  const fault = access.unavailable();
  if (fault !== undefined) {
    observe(workspaceAuthorizer, 'error');
    throw new PolicyUnavailableError(fault);
  }
  if (classification.kind !== 'workspace')
    return allow('everybody may list the workspaces whose metrics they may read');
  const said = access.authorize(identity, verb, classification.workspace);
  observe(workspaceAuthorizer, said.decision);
  const cluster = said.decision === 'allow' ? access.clusterOf(classification.workspace) : undefined;
  // What is unknown has no metrics, whoever asks.
  if (cluster === undefined) return noOpinion(said.reason);
  state.workspace = cluster;
  return new Opinion(workspaceAuthorizer, 'allow', said);
}

function answerUndecided(request: Request, response: ServerResponse, error: unknown): void {
  const state = requestState(request);
  if (error instanceof PolicyUnavailableError) {
    state.verdict = noOpinion(error.message);
    const headers = { 'Retry-After': '1' };
    sendStatus(request, response, 'ServiceUnavailable', 'the policy is not available', headers);
    return;
  }
  state.verdict = noOpinion(`authorizer failed: ${errorClass(error)}`);
  sendInternalError(request, response, error);
}
