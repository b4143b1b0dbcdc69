import type { Identity } from '../authentication/identity.js';

/** What is to be decided: may the identity do this to a path that is no resource? */
export interface Attributes {
  readonly identity: Identity;
  /** The lower-cased method: `get`, `head`. */
  readonly verb: string;
  /** Decoded, without its scope. */
  readonly path: string;
}

/** Kubernetes' three values; the reason is for the operator and the audit log. */
export interface Decision {
  readonly decision: 'allow' | 'deny' | 'no-opinion';
  readonly reason: string;
}

export interface Authorizer {
  /** Short and fixed (`RBAC`): it becomes a metric's label. */
  readonly name: string;
  /** A failure is a rejection or a throw; whoever is not allowed by another authorizer then gets no answer. */
  authorize(attributes: Attributes): Decision | Promise<Decision>;
}

/** Of authorizers that know rules on non-resource URLs alone. */
export const resourceRequest: Decision = Object.freeze(
  noOpinion('a path of resources, which no rule on non-resource URLs grants'),
);

export function allow(reason: string): Decision {
  return { decision: 'allow', reason };
}

export function noOpinion(reason = ''): Decision {
  return { decision: 'no-opinion', reason };
}
