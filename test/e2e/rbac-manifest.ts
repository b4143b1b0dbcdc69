import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export interface Rule {
  readonly verbs: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** A ClusterRole as it is sent. */
export interface RoleManifest {
  readonly apiVersion: string;
  readonly kind: 'ClusterRole';
  readonly metadata: { readonly name: string };
  readonly rules: readonly Rule[];
}

/** A ClusterRoleBinding as it is sent. */
export interface BindingManifest {
  readonly apiVersion: string;
  readonly kind: 'ClusterRoleBinding';
  readonly metadata: { readonly name: string };
  readonly subjects: readonly { readonly kind: string; readonly name: string }[];
}

export type RbacManifest = RoleManifest | BindingManifest;

/** The objects of a file below rbac/. */
export function readManifest(name: string): readonly RbacManifest[] {
  const file = fileURLToPath(new URL(`../../rbac/${name}`, import.meta.url));
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as RbacManifest);
}

export function roleOf(manifest: readonly RbacManifest[]): RoleManifest {
  const role = manifest.find((object) => object.kind === 'ClusterRole');
  if (role === undefined) throw new Error('a manifest without ClusterRole');
  return role;
}

/** What rules grant, each grant by itself: one verb on one resource, name or path. */
export function grantsOneByOne(rules: readonly Rule[]): readonly Rule[] {
  return rules.flatMap(({ verbs, apiGroups = [], resources = [], resourceNames, nonResourceURLs = [] }) =>
    verbs.flatMap((verb): Rule[] => [
      ...nonResourceURLs.map((url) => ({ verbs: [verb], nonResourceURLs: [url] })),
      ...resources.flatMap((resource) =>
        resourceNames === undefined
          ? [{ verbs: [verb], apiGroups, resources: [resource] }]
          : resourceNames.map((name) => ({
              verbs: [verb],
              apiGroups,
              resources: [resource],
              resourceNames: [name],
            })),
      ),
    ]),
  );
}

/** `list clusterroles`, `bind clusterroles admin`, `get /metrics` */
export function describeGrant({
  verbs,
  resources = [],
  resourceNames = [],
  nonResourceURLs = [],
}: Rule): string {
  return [...verbs, ...resources, ...resourceNames, ...nonResourceURLs].join(' ');
}
