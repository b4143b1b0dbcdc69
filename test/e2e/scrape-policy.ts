import type { Subject } from './rbac-objects.js';

const group = 'rbac.authorization.k8s.io';

/** A manifest for --rbac-dir, in JSON: lets the subjects get /metrics, and nobody anything else. */
export function scrapePolicy(subjects: readonly Subject[]): string {
  return grantingPolicy('scrapers', '/metrics', subjects);
}

/** The same for another path, by a role and a binding of this name. */
export function grantingPolicy(name: string, path: string, subjects: readonly Subject[]): string {
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
        subjects: subjects.map((subject) =>
          subject.kind === 'ServiceAccount' ? subject : { ...subject, apiGroup: group },
        ),
      },
    ],
  });
}
