// Run by ManifestThread: reads manifests, one after the other, off the event loop of the process.
import { parentPort } from 'node:worker_threads';
import type { PolicyObject, PolicyRule } from '../objects.js';
import { ManifestError } from '../policy-errors.js';
import type { ManifestBytes, ManifestPart, ManifestPiece } from './manifest-thread.js';
import { decoded, parseManifest, type Manifest } from './manifest.js';

/** About how many strings a message holds: they are received within a millisecond. */
const maxSize = 1000;

/** Reads a manifest, and gives it in short parts, however long its objects are. */
export function* partsOf({ file, bytes }: ManifestBytes): Generator<ManifestPart, void, undefined> {
  let manifest: Manifest;
  try {
    manifest = parseManifest(decoded(bytes, file), file);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    yield { kind: 'fault', message: error.message };
    return;
  }
  for (const pieces of batches(allPieces(manifest.objects), ({ object }) => sizeOf(object))) {
    yield { kind: 'pieces', pieces };
  }
  yield { kind: 'end', warnings: manifest.warnings };
}

function* allPieces(objects: readonly PolicyObject[]): Generator<ManifestPiece, void, undefined> {
  for (const object of objects) {
    if (sizeOf(object) <= maxSize) yield { object, continues: false };
    else yield* piecesOf(object);
  }
}

function* piecesOf(object: PolicyObject): Generator<ManifestPiece, void, undefined> {
  let continues = false;
  if (object.kind === 'ClusterRole') {
    for (const rules of batches(object.rules.flatMap(shortRules), sizeOfRule)) {
      yield { object: { ...object, rules }, continues };
      continues = true;
    }
  } else {
    for (const subjects of batches(object.subjects, () => 1)) {
      yield { object: { ...object, subjects }, continues };
      continues = true;
    }
  }
}

/** Rules that grant the same. */
function shortRules(rule: PolicyRule): readonly PolicyRule[] {
  if (sizeOfRule(rule) <= maxSize) return [rule];
  return [...batches(rule.verbs, () => 1)].flatMap((verbs) =>
    [...batches(rule.nonResourceURLs, () => 1)].map((nonResourceURLs) => ({ verbs, nonResourceURLs })),
  );
}

function sizeOf(object: PolicyObject): number {
  if (object.kind === 'ClusterRoleBinding') return 4 + object.subjects.length;
  return object.rules.reduce((size, rule) => size + sizeOfRule(rule), 4);
}

function sizeOfRule({ verbs, nonResourceURLs }: PolicyRule): number {
  return verbs.length + nonResourceURLs.length;
}

function* batches<Item>(
  items: Iterable<Item>,
  sizeOfItem: (item: Item) => number,
): Generator<Item[], void, undefined> {
  let batch: Item[] = [];
  let size = 0;
  for (const item of items) {
    batch.push(item);
    size += sizeOfItem(item);
    if (size < maxSize) continue;
    yield batch;
    [batch, size] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

let parts: Iterator<unknown> | undefined;

parentPort?.on('message', (asked: ManifestBytes | 'more') => {
  if (asked !== 'more') parts = partsOf(asked);
  parentPort?.postMessage(parts?.next().value);
});
