import { randomUUID } from 'node:crypto';
import type { AuditedFailure } from '../audit/audit-event.js';
import type { Refusal } from '../authentication/union.js';
import type { Identity } from '../authentication/identity.js';
import type { PathClassification } from '../paths/classify.js';
import { sequence, type Middleware, type Request } from './middleware.js';
import type { Verdict } from '../authorization/authorizer.js';

/**
 * Steps that rely on one another: those of one `guardSteps`, and those of one `chain`. Told apart by identity alone.
 * Steps that stand alone have none.
 */
export type Guard = object;

/** What the steps have found out about a request so far; of several guards, what the latest has. */
export interface RequestState {
  /** Kubernetes' Audit-Id: ties an answer to the operator's log. */
  auditId: string;
  /** When it was first looked at, in ms since the epoch. */
  readonly received: number;
  classification?: PathClassification;
  classifiedBy?: Guard | undefined;
  classifiedIn?: Guard | undefined;
  identity?: Identity | undefined;
  identifiedBy?: Guard | undefined;
  /** Which method established the identity. */
  authenticator?: string | undefined;
  /** What methods had against the credentials presented. */
  refusals?: readonly Refusal[];
  /** Why there was nothing that a method could have something against. */
  noCredentials?: string | undefined;
  verdict?: Verdict | undefined;
  /** Whether a step has allowed what was classified last, and whose. */
  isAllowed?: boolean;
  allowedBy?: Guard | undefined;
  /** Whose own always-allow or ignore step lets its later steps pass, and in which chain. */
  passedBy?: Guard | undefined;
  passedIn?: Guard | undefined;
  /** The innermost chain that the request is in, and the step of it that was called last. */
  chain?: Guard | undefined;
  step?: Middleware | undefined;
  /** Why the request was turned away for another reason than who sends it: its path, too many of them, maintenance. */
  rejected?: string;
  /** What its answer says, where that is a Kubernetes Status. */
  failure?: AuditedFailure;
}

// A symbol of this module alone: no client and no middleware can name it. (A WeakMap would say the same, but
// one entry a request costs more in garbage collection than all of the guard's steps.)
const stateKey = Symbol('kcp-metrics-filter');

type RequestWithState = Request & { [stateKey]?: RequestState };

/** The state of a request; made at the first look. */
export function requestState(request: RequestWithState): RequestState {
  const known = request[stateKey];
  if (known !== undefined) return known;
  const state: RequestState = { auditId: randomUUID(), received: Date.now() };
  request[stateKey] = state;
  return state;
}

/**
 * Several steps as one guard; each runs only if the one before called its `next`. What an always-allow or ignore step in
 * it lets pass, the later steps in it let pass, and no step outside, nor one of a router or chain that is a step of it.
 * Steps of `guardSteps` rely on their own alone.
 */
export function chain(steps: readonly Middleware[]): Middleware {
  const run = sequence(
    steps.map((step): Middleware => (request, response, next) => {
      requestState(request).step = step;
      step(request, response, next);
    }),
  );
  const guard: Guard = {};
  return (request, response, next) => {
    const state = requestState(request);
    const { chain: outer } = state;
    state.chain = guard;
    run(request, response, (error) => {
      state.chain = outer;
      next(error);
    });
  };
}

/** Whether an always-allow or ignore step of the same guard, or of the same chain, lets a step pass. */
export function isPassed(state: RequestState, guard: Guard | undefined, step: Middleware): boolean {
  if (guard !== undefined) return state.passedBy === guard;
  return state.passedIn !== undefined && state.passedIn === state.chain && state.step === step;
}

/**
 * Notes that later steps let the request pass: those of the guard, by default of the one whose `classify` stands in front
 * in the same chain; or else, of steps that stand alone, those in the same chain. `step`: which lets it pass.
 */
export function letPass(
  state: RequestState,
  verdict: Verdict,
  step: Middleware,
  guard = state.classifiedIn === state.chain ? state.classifiedBy : undefined,
): void {
  state.passedBy = guard;
  state.passedIn = guard === undefined && state.step === step ? state.chain : undefined;
  noteAllowed(state, verdict, guard);
}

/** Notes that a step of a guard has allowed the request. */
export function noteAllowed(state: RequestState, verdict: Verdict, guard: Guard | undefined): void {
  state.verdict = verdict;
  state.isAllowed = true;
  state.allowedBy = guard;
}

/** Notes what a guard's path rules say of the request, for which nobody has allowed anything yet. */
export function noteClassified(
  state: RequestState,
  classification: PathClassification,
  guard: Guard | undefined,
): void {
  state.classification = classification;
  state.classifiedBy = guard;
  state.classifiedIn = state.chain;
  state.isAllowed = false;
  state.allowedBy = undefined;
  state.passedBy = undefined;
  state.passedIn = undefined;
}
