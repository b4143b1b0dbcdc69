/** A ClusterRole's rule, reduced to what a request for a path can be granted by. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly nonResourceURLs: readonly string[];
}

export interface ClusterRole {
  readonly kind: 'ClusterRole';
  readonly name: string;
  /** Only rules that hold nonResourceURLs. */
  readonly rules: readonly PolicyRule[];
  /** Where it stands (`file:line`), for messages. */
  readonly origin?: string;
}

export type SubjectKind = 'User' | 'Group' | 'ServiceAccount';

export interface Subject {
  readonly kind: SubjectKind;
  readonly name: string;
  /** Of a ServiceAccount; without one it never matches. */
  readonly namespace?: string;
}

export interface ClusterRoleBinding {
  readonly kind: 'ClusterRoleBinding';
  readonly name: string;
  /** Name of the ClusterRole. */
  readonly role: string;
  readonly subjects: readonly Subject[];
  /** Carries the annotation `internal.kcp.io/replicate`: kcp copies it to the other shards. */
  readonly replicated: boolean;
  /** Where it stands (`file:line`), for messages. */
  readonly origin?: string;
}

/** An object of the policy, trimmed to what a decision needs. */
export type PolicyObject = ClusterRole | ClusterRoleBinding;
