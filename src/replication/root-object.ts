import type { RoleGrants } from './role-grants.js';

interface RootObjectMetadata {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** The annotation `internal.kcp.io/replicate`, where there is one. */
  readonly replicate: string | undefined;
}

/** A ClusterRole of the root workspace. */
export interface RootRole extends RootObjectMetadata {
  readonly kind: 'ClusterRole';
  readonly grants: RoleGrants;
}

/** A ClusterRoleBinding of the root workspace. */
export interface RootBinding extends RootObjectMetadata {
  readonly kind: 'ClusterRoleBinding';
  /** Name of the ClusterRole. */
  readonly role: string;
  /** Whether it grants its role to anybody. */
  readonly hasSubjects: boolean;
}

export type RootObject = RootRole | RootBinding;

/** Everything of the root workspace that decides what is replicated. */
export interface RootPolicy {
  readonly roles: ReadonlyMap<string, RootRole>;
  readonly bindings: ReadonlyMap<string, RootBinding>;
}

/** Tells objects apart, over both kinds. */
export function keyOf({ kind, name }: Pick<RootObject, 'kind' | 'name'>): string {
  return `${kind}/${name}`;
}
