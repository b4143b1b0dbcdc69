/** A ClusterRole's rule, reduced to what a request for a path can be granted by. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly nonResourceURLs: readonly string[];
}

interface Identified {
  readonly name: string;
  /** The logical cluster it belongs to; only in a policy of many. */
  readonly cluster?: string;
  /** Where it stands (`file:line`), for messages. */
  readonly origin?: string;
}

export interface ClusterRole extends Identified {
  readonly kind: 'ClusterRole';
  /** Only rules that hold nonResourceURLs. */
  readonly rules: readonly PolicyRule[];
}

export interface Subject {
  readonly kind: 'User' | 'Group' | 'ServiceAccount';
  readonly name: string;
  /** Of a ServiceAccount; without one it never matches. */
  readonly namespace?: string;
}

export interface ClusterRoleBinding extends Identified {
  readonly kind: 'ClusterRoleBinding';
  /** Name of the ClusterRole. */
  readonly role: string;
  readonly subjects: readonly Subject[];
  /** Carries the annotation `internal.kcp.io/replicate`: kcp copies it to the other shards. */
  readonly replicated: boolean;
}

export type RbacObject = ClusterRole | ClusterRoleBinding;

/** kcp's own object of a workspace; only in a policy of many. Its name is always `cluster`. */
export interface LogicalCluster extends Identified {
  readonly kind: 'LogicalCluster';
  readonly cluster: string;
  /** Such as `root:org`. The root workspace has none. */
  readonly path?: string;
  /** As annotated, `a,b;c`: who may come in at all. */
  readonly requiredGroups?: string;
  /** Neither being scheduled nor unavailable. */
  readonly isReady: boolean;
}

/** An object of the policy, trimmed to what a decision needs. */
export type PolicyObject = RbacObject | LogicalCluster;

const serviceAccountPrefix = 'system:serviceaccount:';

/** The lookup key of a subject: users and groups have separate name spaces. */
export interface SubjectKey {
  readonly kind: 'user' | 'group';
  readonly name: string;
}

/** Undefined for a subject that can never match: a ServiceAccount without a namespace. */
export function subjectKey(subject: Subject): SubjectKey | undefined {
  switch (subject.kind) {
    case 'User':
      return { kind: 'user', name: subject.name };
    case 'Group':
      return { kind: 'group', name: subject.name };
    case 'ServiceAccount':
      return subject.namespace === undefined || subject.namespace === ''
        ? undefined
        : { kind: 'user', name: `${serviceAccountPrefix}${subject.namespace}:${subject.name}` };
  }
}

/** As Kubernetes describes a subject in an authorizer's reason. */
export function describeSubject(subject: Subject): string {
  const name =
    subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace ?? ''}` : subject.name;
  return `${subject.kind} ${JSON.stringify(name)}`;
}

/** Whether a user's name is kept for service accounts, well-formed or not: whatever is refused to these is refused to it. */
export function isServiceAccountName(userName: string): boolean {
  return userName.startsWith(serviceAccountPrefix);
}

/**
 * `<namespace>:<name>` of a service account's user name. Undefined for one with more or fewer parts, which no service
 * account has: behind the name of a workspace, some of them would read like another workspace's account.
 */
export function serviceAccountSuffix(userName: string): string | undefined {
  const suffix = isServiceAccountName(userName) ? userName.slice(serviceAccountPrefix.length) : '';
  return /^[^:]+:[^:]+$/.test(suffix) ? suffix : undefined;
}
