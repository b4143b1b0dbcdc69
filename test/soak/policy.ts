const group = 'rbac.authorization.k8s.io';

/** Manifests that let each user get the path. */
export function policyOf(name: string, path: string, users: readonly string[]): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: `${group}/v1`,
        kind: 'ClusterRole',
        metadata: { name },
        rules: [{ verbs: ['get'], nonResourceURLs: [path] }],
      },
      {
        apiVersion: `${group}/v1`,
        kind: 'ClusterRoleBinding',
        metadata: { name },
        roleRef: { apiGroup: group, kind: 'ClusterRole', name },
        subjects: users.map((user) => ({ apiGroup: group, kind: 'User', name: user })),
      },
    ],
  });
}
