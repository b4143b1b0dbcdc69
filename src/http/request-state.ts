import { randomUUID } from 'node:crypto';
import type { AuditedFailure } from '../audit/audit-event.js';
import type { Refusal } from '../authentication/union.js';
import type { Identity } from '../authentication/identity.js';
import type { Verdict } from '../authorization/union.js';
import type { PathClassification } from '../paths/classify.js';
import type { Request } from './middleware.js';

/** What the steps have found out about a request so far. */
export interface RequestState {
  /** Kubernetes' Audit-Id: ties an answer to the operator's log. */
  auditId: string;
  /** When it was first looked at, in ms since the epoch. */
  readonly received: number;
  classification?: PathClassification;
  identity?: Identity;
  /** Which method established the identity. */
  authenticator?: string;
  /** What methods had against the credentials presented. */
  refusals?: readonly Refusal[];
  /** Why there was nothing that a method could have something against. */
  noCredentials?: string;
  verdict?: Verdict;
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
