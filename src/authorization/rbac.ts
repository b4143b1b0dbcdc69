import type { Identity } from '../authentication/identity.js';
import { effectiveIdentities, type EffectiveIdentity } from '../policy/index/effective-identities.js';
import type { Bond } from '../policy/index/policy-index.js';
import type { Policy } from '../policy/policy.js';
import { describeSubject } from '../policy/objects.js';
import { PolicyUnavailableError } from './authorization-errors.js';
import { noOpinion, resourceRequest, type Authorizer, type Decision } from './authorizer.js';
import { isResourcePath } from '../paths/always-allow.js';

export interface RbacAuthorizerOptions {
  readonly policy: Policy;
  /** The logical cluster whose policy this is. Default `root`. */
  readonly cluster?: string;
}

const tooManyWarrants: Decision = Object.freeze({
  decision: 'deny',
  reason: 'more warrants, or deeper nested ones, than are followed',
});
const nothingGrants: Decision = Object.freeze(noOpinion());

/** The reason is worded when it is read: that takes longer than the decision. */
function granted({ binding, subject }: Bond): Decision {
  return {
    decision: 'allow',
    get reason() {
      return (
        `RBAC: allowed by ClusterRoleBinding ${JSON.stringify(binding.name)}` +
        ` of ClusterRole ${JSON.stringify(binding.role)} to ${describeSubject(subject)}`
      );
    },
  };
}

/**
 * Kubernetes' RBAC on non-resource URLs, decided in the root workspace for kcp's effective identities. It has no opinion
 * on paths of resources (`/api/v1/pods`): a bootstrap rule on `/api/*` lets everybody discover them, and read none.
 */
export function rbacAuthorizer({ policy, cluster = 'root' }: RbacAuthorizerOptions): Authorizer {
  // A connection keeps its identity object, so its effective identities are worked out once.
  const known = new WeakMap<Identity, readonly EffectiveIdentity[]>();
  const identitiesOf = (identity: Identity): readonly EffectiveIdentity[] | undefined => {
    const remembered = known.get(identity);
    if (remembered !== undefined) return remembered;
    const identities = effectiveIdentities(identity, cluster);
    const isItselfAlone = identities?.[0] === identity && identities.length === 1;
    if (identities !== undefined && !isItselfAlone) known.set(identity, identities);
    return identities;
  };
  return {
    name: 'RBAC',
    authorize({ identity, verb, path }) {
      if (isResourcePath(path)) return resourceRequest;
      const fault = policy.unavailable();
      if (fault !== undefined) throw new PolicyUnavailableError(fault);
      const identities = identitiesOf(identity);
      if (identities === undefined) return tooManyWarrants;
      const bond = policy.find(identities, verb, path);
      return bond === undefined ? nothingGrants : granted(bond);
    },
  };
}
