// Run by ManifestThread: reads manifests, one after the other, off the event loop of the process.
import { parentPort } from 'node:worker_threads';
import { sourceOf, utf8TextOf } from '../../documents/source.js';
import type { PolicyObject, PolicyRule } from '../objects.js';
import { ManifestError } from '../policy-errors.js';
import type { ManifestBytes, ManifestPart, ManifestPiece } from './manifest-thread.js';
import { parseManifest, type Manifest } from './manifest.js';

/** The approximate number of strings in a message, received within a millisecond. */
const maxSize = 1000;

/** Reads a manifest, and gives it in short parts, however long its objects are. */
export function* partsOf({
  file,
  bytes,
  ofWorkspaces,
}: ManifestBytes): Generator<ManifestPart, void, undefined> {
  let manifest: Manifest;
  try {
    manifest = parseManifest(utf8TextOf(bytes, sourceOf(file, ManifestError)), file, ofWorkspaces);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    yield { kind: 'fault', message: error.message };
    return;
  }
  const pieces = manifest.objects.flatMap(piecesOf);
  for (const batch of batches(pieces, ({ object }) => sizeOf(object)))
    yield { kind: 'pieces', pieces: batch };
  yield { kind: 'end', warnings: manifest.warnings };
}

function piecesOf(object: PolicyObject): readonly ManifestPiece[] {
  if (object.kind === 'LogicalCluster' || sizeOf(object) <= maxSize) return [{ object, continues: false }];
  const parts =
    object.kind === 'ClusterRole'
      ? batches(object.rules.flatMap(shortRules), sizeOfRule).map((rules) => ({ ...object, rules }))
      : batches(object.subjects).map((subjects) => ({ ...object, subjects }));
  return parts.map((part, at) => ({ object: part, continues: at > 0 }));
}

/** Rules that grant the same. */
function shortRules(rule: PolicyRule): readonly PolicyRule[] {
  if (sizeOfRule(rule) <= maxSize) return [rule];
  return batches(rule.verbs).flatMap((verbs) =>
    batches(rule.nonResourceURLs).map((nonResourceURLs) => ({ verbs, nonResourceURLs })),
  );
}

function sizeOf(object: PolicyObject): number {
  if (object.kind === 'LogicalCluster') return 4;
  if (object.kind === 'ClusterRoleBinding') return 4 + object.subjects.length;
  return object.rules.reduce((size, rule) => size + sizeOfRule(rule), 4);
}

function sizeOfRule({ verbs, nonResourceURLs }: PolicyRule): number {
  return verbs.length + nonResourceURLs.length;
}

function batches<Item>(
  items: readonly Item[],
  sizeOfItem: (item: Item) => number = () => 1,
): readonly (readonly Item[])[] {
  const done: Item[][] = [];
  let size = maxSize;
  for (const item of items) {
    if (size >= maxSize) {
      done.push([]);
      size = 0;
    }
    done.at(-1)?.push(item);
    size += sizeOfItem(item);
  }
  return done;
}

let parts: Iterator<unknown> | undefined;

parentPort?.on('message', (asked: ManifestBytes | 'more') => {
  if (asked !== 'more') parts = partsOf(asked);
  parentPort?.postMessage(parts?.next().value);
});
