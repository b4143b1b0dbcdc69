import { yamlOf } from '../../documents/yaml-library.js';

type ManifestValue =
  string | number | boolean | readonly ManifestValue[] | { readonly [field: string]: ManifestValue };

export type Manifest = Readonly<Record<string, ManifestValue>>;

/** The documents of one file, with a comment above them. */
export interface ManifestFile {
  readonly comment: readonly string[];
  readonly documents: readonly Manifest[];
}

/** As YAML, one field a line. */
export function renderManifests({ comment, documents }: ManifestFile): string {
  const texts = documents.map((document) => yamlOf(document).trimEnd());
  return [...comment.map((line) => (line === '' ? '#' : `# ${line}`)), texts.join('\n---\n')].join('\n');
}

/** The metadata of a namespaced object, with the label that selects it. */
export function metadataOf(
  { name, namespace }: { readonly name: string; readonly namespace: string },
  suffix = '',
): Manifest {
  return { name: `${name}${suffix}`, namespace, labels: labelsOf(name) };
}

export const nameLabel = 'app.kubernetes.io/name';

export function labelsOf(name: string): Manifest {
  return { [nameLabel]: name };
}
