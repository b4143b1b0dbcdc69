import type { ConfiguredServer } from './configured-server.js';
import type { Manifest, ManifestFile } from './manifest.js';
import type { ManifestNames, Scraper } from './manifest-flags.js';

const group = 'rbac.authorization.k8s.io';
const apiVersion = `${group}/v1`;
/** kcp has it, for `/metrics` alone. */
const kcpRole = 'system:kcp:metrics-reader';
/** Any value makes kcp copy an object to the other shards. */
const replicated: Manifest = { annotations: { 'internal.kcp.io/replicate': 'true' } };

/** Grants the scraper every path that is served, and nothing else. */
export function clusterRoleBinding(
  { paths, isKcp }: ConfiguredServer,
  { name, scraper }: ManifestNames,
): ManifestFile {
  const isBuiltIn = isKcp && paths.every((path) => path === '/metrics');
  const role = isBuiltIn ? kcpRole : `${name}:metrics-reader`;
  const copied = isKcp ? replicated : {};
  const roles: readonly Manifest[] = isBuiltIn
    ? []
    : [
        {
          apiVersion,
          kind: 'ClusterRole',
          metadata: { name: role, ...copied },
          rules: [{ nonResourceURLs: paths, verbs: ['get'] }],
        },
      ];
  const binding: Manifest = {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name: `${name}:metrics-reader:${inName(scraper.name)}`, ...copied },
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: role },
    subjects: [subjectOf(scraper)],
  };
  const comment = isKcp
    ? [
        "Apply in kcp's root workspace. kcp copies to the other shards only what has the annotation",
        'internal.kcp.io/replicate.',
      ]
    : ['A path has no namespace: this grants it on every server that goes by the RBAC of this cluster.'];
  return { comment, documents: [...roles, binding] };
}

function subjectOf(scraper: Scraper): Manifest {
  return scraper.kind === 'ServiceAccount' ? { ...scraper } : { apiGroup: group, ...scraper };
}

/** RBAC's objects may have any name that is one segment of a path. */
function inName(name: string): string {
  return name.replaceAll(/[/%]/g, '-');
}
