import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDocument } from '../../documents/documents.js';
import { Field } from '../../documents/field.js';
import { sourceOf } from '../../documents/source.js';
import type { DemoFolder } from './folder.js';

/** Directories for `--rbac-dir`. */
export interface DemoPolicy {
  /** All of the root workspace's bindings. */
  readonly root: string;
  /** What kcp would bring to every other shard. */
  readonly second: string;
}

// src/cli/demo and dist/cli/demo both lie three levels below the package's root.
const packagedManifests = new URL('../../../rbac/', import.meta.url);

/** Every server has these without being told. */
const builtIn = 'bootstrap-policy.yaml';

/** Grants as much as the packaged ones, and is forgotten the annotation that they have. */
const plainBinding = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: metrics-reader:user:bob
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: system:kcp:metrics-reader
subjects:
  - apiGroup: rbac.authorization.k8s.io
    kind: User
    name: bob
`;

export const replicateAnnotation = 'internal.kcp.io/replicate';

/** Writes the package's own manifests and a binding of bob's; the second shard gets what kcp replicates. */
export function writePolicy(folder: DemoFolder): DemoPolicy {
  const root = folder.makeFolder('root-shard-rbac');
  const second = folder.makeFolder('second-shard-rbac');
  for (const [name, text] of [...readPackagedManifests(), ['plain-binding.yaml', plainBinding] as const]) {
    folder.write(join('root-shard-rbac', name), text);
    if (isReplicated(text)) folder.write(join('second-shard-rbac', name), text);
  }
  return { root, second };
}

function readPackagedManifests(): (readonly [name: string, text: string])[] {
  return readdirSync(packagedManifests)
    .filter((name) => name.endsWith('.yaml') && name !== builtIn)
    .sort()
    .map((name) => [name, readFileSync(new URL(name, packagedManifests), 'utf8')] as const);
}

function isReplicated(manifest: string): boolean {
  const root = Field.root(readDocument(manifest, 'manifest', sourceOf('rbac', Error)));
  return !root.get('metadata').get('annotations').get(replicateAnnotation).isAbsent;
}
