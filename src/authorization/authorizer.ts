import type { Identity } from '../authentication/identity.js';
import { askInOrder } from '../authentication/union.js';
import { alwaysAllowPaths as matchingPaths, isDiscoveryPath, isResourcePath } from '../paths/always-allow.js';
import {
  clusterNameKey,
  effectiveIdentities,
  nameElsewhere,
  type EffectiveIdentity,
} from '../policy/index/effective-identities.js';
import type { SubjectBinding } from '../policy/index/subject-bindings.js';
import { describeSubject, isServiceAccountName } from '../policy/objects.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import { Policy } from '../policy/policy.js';
import { PolicyUnavailableError } from './authorization-errors.js';
import {
  aText,
  accepted,
  anObject,
  both,
  checkArgument,
  checkOptions,
  optional,
  texts,
} from '../option-checks.js';

/** What is to be decided: may the identity do this to a path that is no resource? */
export interface Attributes {
  readonly identity: Identity;
  /** The lower-cased method: `get`, `head`. */
  readonly verb: string;
  /** Decoded, without its scope. */
  readonly path: string;
  /**
   * Whether it is passed on to a backend. Kubernetes would take some of these for paths of resources (`/api/v1/push`), or of
   * their discovery (`/api/query`): of rules, only one that names such a path grants it, and no always-allow path does.
   */
  readonly isOfGateway?: boolean;
}

/** Kubernetes' three values; the reason is for the operator and the audit log. */
export interface Decision {
  readonly decision: 'allow' | 'deny' | 'no-opinion';
  readonly reason: string;
}

export interface Authorizer {
  /** Short and fixed (`RBAC`): it becomes a metric's label. */
  readonly name: string;
  /** A failure is a rejection or a throw; where no other authorizer decides, it is answered 500 rather than 403. */
  authorize(attributes: Attributes): Decision | Promise<Decision>;
}

/** The answer of authorizers that know only rules on non-resource URLs. */
export const resourceRequest: Decision = Object.freeze(
  noOpinion('a path of resources, which no rule on non-resource URLs grants'),
);

export function allow(reason: string): Decision {
  return { decision: 'allow', reason };
}

export function noOpinion(reason = ''): Decision {
  return { decision: 'no-opinion', reason };
}

/** What came of asking all authorizers, and which one decided; none where none had an opinion. */
export interface Verdict extends Decision {
  readonly authorizer?: string;
}

/** The reason is worded when it is read: that takes longer than most decisions. */
export class Opinion implements Verdict {
  constructor(
    readonly authorizer: string,
    readonly decision: Decision['decision'],
    private readonly said: Decision,
  ) {}

  get reason(): string {
    return this.said.reason;
  }
}

/** Told of each authorizer that was asked. */
export type DecisionObserver = (authorizer: string, decision: Decision['decision'] | 'error') => void;

/**
 * Asks one authorizer after another; the first opinion wins, and without one nothing is allowed. After a failure the
 * next is still asked, but where none decides, the first error is thrown: the answer is not a refusal, it is unknown.
 */
export function authorizerUnion(
  authorizers: readonly Authorizer[],
  observe: DecisionObserver = () => undefined,
): (attributes: Attributes) => Verdict | Promise<Verdict> {
  return (attributes) => {
    let reasons = '';
    const errors: unknown[] = [];
    const take = ({ name }: Authorizer, said: Decision): Verdict | undefined => {
      const { decision } = said;
      observe(name, decision);
      if (decision === 'allow' || decision === 'deny') return new Opinion(name, decision, said);
      if (said.reason !== '') reasons += reasons === '' ? said.reason : `; ${said.reason}`;
      return undefined;
    };
    const onFailure = ({ name }: Authorizer, error: unknown): void => {
      observe(name, 'error');
      errors.push(error);
    };
    const withoutOpinion = (): Verdict => {
      if (errors.length > 0) throw errors[0];
      return { decision: 'no-opinion', reason: reasons };
    };
    return askInOrder(
      authorizers,
      (authorizer) => authorizer.authorize(attributes),
      take,
      onFailure,
      withoutOpinion,
    );
  };
}

/**
 * Allows everything to the members of some groups, `system:masters` above all: they must get in while no policy can be
 * read. Looks only at the caller's own groups, never at those of a warrant, nor at those of service accounts of another
 * workspace than root. An empty name, as an empty list flag or an unset variable leaves it, is no group.
 */
export function alwaysAllowGroups(groups: readonly string[]): Authorizer {
  checkArgument('groups', groups, texts);
  const privileged = new Set(groups.filter((group) => group !== ''));
  return {
    name: 'AlwaysAllowGroups',
    authorize({ identity }) {
      // Whoever has a workspace makes service accounts in namespaces of any name.
      const group = asRootNames(identity).groups.find((candidate) => privileged.has(candidate));
      return group === undefined ? noOpinion() : allow(`always allowed to group ${JSON.stringify(group)}`);
    },
  };
}

/**
 * Allows some paths to every client, like Kubernetes' always-allow paths.
 * @throws AlwaysAllowPathError for a `*` anywhere but at a pattern's end.
 */
export function alwaysAllowPaths(patterns: readonly string[]): Authorizer {
  checkArgument('patterns', patterns, texts);
  const matches = matchingPaths(patterns);
  return {
    name: 'AlwaysAllowPaths',
    authorize: ({ path, isOfGateway = false }) =>
      !isOfGateway && matches(path) ? allow('always allowed path') : noOpinion(),
  };
}

export interface RbacAuthorizerOptions {
  /** Or what `openPolicy` resolves to. */
  readonly policy: Policy | Pick<OpenPolicy, 'policy'>;
  /** The logical cluster whose policy this is. Default `root`. */
  readonly cluster?: string;
}

/** @throws RangeError */
export function policyOf(given: RbacAuthorizerOptions['policy']): Policy {
  const policy = 'policy' in given ? given.policy : given;
  if (policy instanceof Policy) return policy;
  throw new RangeError('pass a Policy, or what openPolicy resolves to');
}

export const tooManyWarrants: Decision = Object.freeze({
  decision: 'deny',
  reason: 'more warrants, or deeper nested ones, than are followed',
});
const nothingGrants: Decision = Object.freeze(noOpinion());

/** The reason is worded when it is read: that takes longer than the decision. `where` is its end. */
export class Granted implements Decision {
  readonly decision = 'allow';

  constructor(
    private readonly by: SubjectBinding,
    private readonly where = (): string => '',
  ) {}

  get reason(): string {
    const { binding, subject } = this.by;
    return (
      `RBAC: allowed by ClusterRoleBinding ${JSON.stringify(binding.name)}` +
      ` of ClusterRole ${JSON.stringify(binding.role)} to ${describeSubject(subject)}${this.where()}`
    );
  }
}

/**
 * Kubernetes' RBAC on non-resource URLs, decided in the root workspace for kcp's effective identities. It has no opinion
 * on paths of resources (`/api/v1/pods`): a bootstrap rule on `/api/*` lets everybody discover them, and read none. Those
 * that are passed on to a backend are granted by rules that name them.
 */
export function rbacAuthorizer(options: RbacAuthorizerOptions): Authorizer {
  checkOptions(options, {
    policy: both(anObject('a Policy, or what openPolicy resolves to'), accepted(policyOf)),
    cluster: optional(aText),
  });
  const { cluster = 'root' } = options;
  const policy = policyOf(options.policy);
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
    authorize({ identity, verb, path, isOfGateway = false }) {
      if (!isOfGateway && isResourcePath(path)) return resourceRequest;
      const fault = policy.unavailable();
      if (fault !== undefined) throw new PolicyUnavailableError(fault);
      const identities = identitiesOf(identity);
      if (identities === undefined) return tooManyWarrants;
      const granting = policy.find(identities, verb, path, isOfGateway && isDiscoveryPath(path));
      return granting === undefined ? nothingGrants : new Granted(granting);
    },
  };
}

/**
 * A user's name among those of all workspaces, for what each user has a share of. Service accounts of one name in several
 * workspaces are different users, and anybody who has a workspace can make one of any name.
 */
export function nameAmongAll({ name, extra }: Pick<Identity, 'name' | 'extra'>): string {
  const home = extra[clusterNameKey]?.join(',') ?? '';
  if (home === '' || !isServiceAccountName(name)) return name;
  return nameElsewhere(home, name);
}

/**
 * A user as the root workspace names them: a service account of another workspace by the name that kcp gives it there,
 * without the groups of service accounts, which are those of its own workspace.
 */
export function asRootNames(user: Identity): Identity {
  const name = nameAmongAll(user);
  const isOfRoot = user.extra[clusterNameKey]?.join(',') === 'root';
  if (name === user.name || isOfRoot) return user;
  const groups = user.groups.filter((group) => !/^system:serviceaccounts(?::|$)/.test(group));
  return { ...user, name, groups };
}
