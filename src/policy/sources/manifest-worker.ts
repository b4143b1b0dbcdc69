// Run by ManifestThread: reads manifests, one after the other, off the event loop of the process.
import { parentPort } from 'node:worker_threads';
import { sourceOf, utf8TextOf } from '../../documents/source.js';
import type { PolicyObject, PolicyRule } from '../objects.js';
import { ManifestError } from '../policy-errors.js';
import type { ManifestBytes, ManifestPart } from './manifest-thread.js';
import { parseManifest } from './manifest.js';

/** The approximate number of values in a message, received within a millisecond. */
const maxSize = 2000;

/** Reads a manifest, and gives it in short parts, however long its objects are. */
export function* partsOf({
  file,
  bytes,
  ofWorkspaces,
}: ManifestBytes): Generator<ManifestPart, void, undefined> {
  try {
    const text = utf8TextOf(bytes, sourceOf(file, ManifestError));
    const { objects, warnings } = parseManifest(text, file, ofWorkspaces);
    for (const batch of batches(objects.flatMap(shortObjects))) yield { kind: 'objects', objects: batch };
    yield { kind: 'end', warnings };
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    yield { kind: 'fault', message: error.message };
  }
}

/** An object in parts, each with some of its rules or subjects. */
function shortObjects(object: PolicyObject): readonly PolicyObject[] {
  if (object.kind === 'LogicalCluster' || sizeOf(object) <= maxSize) return [object];
  return object.kind === 'ClusterRole'
    ? batches(object.rules.flatMap(shortRules)).map((rules) => ({ ...object, rules }))
    : batches(object.subjects).map((subjects) => ({ ...object, subjects }));
}

/** Rules that grant the same. */
function shortRules(rule: PolicyRule): readonly PolicyRule[] {
  if (sizeOf(rule) <= maxSize) return [rule];
  return batches(rule.verbs).flatMap((verbs) =>
    batches(rule.nonResourceURLs).map((nonResourceURLs) => ({ verbs, nonResourceURLs })),
  );
}

/** How many texts, numbers and the like there are in a value. */
function sizeOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce<number>((size, member) => size + sizeOf(member), 0);
}

function batches<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  const done: Item[][] = [];
  let size = maxSize;
  for (const item of items) {
    if (size >= maxSize) {
      done.push([]);
      size = 0;
    }
    done.at(-1)?.push(item);
    size += sizeOf(item);
  }
  return done;
}

let parts: Iterator<unknown> | undefined;

parentPort?.on('message', (asked: ManifestBytes | 'more') => {
  if (asked !== 'more') parts = partsOf(asked);
  parentPort?.postMessage(parts?.next().value);
});
