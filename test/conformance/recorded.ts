import { readFileSync } from 'node:fs';

/** What a running kcp answered; `data/` says where it comes from. */
export function recorded(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`data/${name}`, import.meta.url), 'utf8')) as unknown;
}

export interface RecordedPolicy {
  readonly clusterRoles: readonly { readonly name: string; readonly rules?: readonly object[] }[];
  readonly clusterRoleBindings: readonly {
    readonly name: string;
    readonly roleRef: object;
    readonly subjects?: readonly object[];
  }[];
}

/** A recorded policy as the manifests an operator would keep. */
export function manifestOf({ clusterRoles, clusterRoleBindings }: RecordedPolicy): string {
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const items = [
    ...clusterRoles.map(({ name, rules = [] }) => ({
      kind: 'ClusterRole',
      apiVersion,
      metadata: { name },
      rules,
    })),
    ...clusterRoleBindings.map(({ name, roleRef, subjects = [] }) => ({
      kind: 'ClusterRoleBinding',
      apiVersion,
      metadata: { name },
      roleRef,
      subjects,
    })),
  ];
  return JSON.stringify({ kind: 'List', apiVersion: 'v1', items });
}
