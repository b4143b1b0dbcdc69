import type { PolicyObject, PolicyRule, Subject } from '../objects.js';
import { ManifestError } from './manifest-error.js';
import { parseManifest, type Manifest } from './manifest.js';

/** A manifest to be read in a thread of its own. */
export interface ManifestBytes {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** An object, or more rules or subjects of the one before it. */
export interface ManifestPiece {
  readonly object: PolicyObject;
  readonly continues: boolean;
}

/** What such a thread tells, message by message, each when it is asked for. */
export type ManifestPart =
  | { readonly kind: 'pieces'; readonly pieces: readonly ManifestPiece[] }
  | { readonly kind: 'end'; readonly warnings: readonly string[] }
  /** Of a ManifestError. */
  | { readonly kind: 'fault'; readonly message: string };

/** Strings in a message, about: they are taken within a millisecond. */
const maxSize = 1000;

/** Reads a manifest, and gives it in parts that are short, however long its objects are. */
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

/** Puts a piece to those before it, whose lists are theirs who gather them. */
export function addPiece(objects: PolicyObject[], { object, continues }: ManifestPiece): void {
  const last = continues ? objects.at(-1) : undefined;
  if (last?.kind === 'ClusterRole' && object.kind === 'ClusterRole') {
    (last.rules as PolicyRule[]).push(...object.rules);
  } else if (last?.kind === 'ClusterRoleBinding' && object.kind === 'ClusterRoleBinding') {
    (last.subjects as Subject[]).push(...object.subjects);
  } else objects.push(object);
}

/** @throws ManifestError */
export function decoded(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ManifestError(`${file}: is not UTF-8`, { cause: error });
  }
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
