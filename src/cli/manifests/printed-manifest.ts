import { yamlOf } from '../../documents/yaml-library.js';

/** What may stand in a manifest. */
export type ManifestValue =
  string | number | boolean | readonly ManifestValue[] | { readonly [field: string]: ManifestValue };

export type Manifest = Readonly<Record<string, ManifestValue>>;

/** Documents of one file, with what its reader has to know above them. */
export interface ManifestFile {
  readonly comment: readonly string[];
  readonly documents: readonly Manifest[];
}

/** As YAML, one field a line. */
export function renderManifests({ comment, documents }: ManifestFile): string {
  const texts = documents.map((document) => yamlOf(document).trimEnd());
  return [...comment.map((line) => (line === '' ? '#' : `# ${line}`)), texts.join('\n---\n')].join('\n');
}

/** Of an object in a namespace, with the label by which others select it. */
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
