import type { PolicyObject } from '../objects.js';
import { refuseMalformed, type ObjectName, type PolicyChange } from './policy-index.js';

/** What holds the objects of a layer. */
export interface ObjectHolder {
  /** Tells objects of one kind apart; throws for a malformed one. */
  keyOf(object: ObjectName): string;
  apply(layer: string, change: PolicyChange): void;
  size(layer: string, kind: PolicyObject['kind']): number;
  names(layer: string, kind: PolicyObject['kind']): Iterable<ObjectName>;
}

/**
 * Replaces a layer's objects of one kind, a step each; between two steps decisions may be made. What is gone goes first. A
 * malformed object throws before anything has changed.
 */
export function* replaceKind(
  holder: ObjectHolder,
  layer: string,
  kind: PolicyObject['kind'],
  objects: readonly PolicyObject[],
): Generator<undefined, void, undefined> {
  // Where nothing is held nothing can be gone, and a large set takes time to build.
  const kept = holder.size(layer, kind) === 0 ? undefined : new Set<string>();
  for (const object of objects) {
    if (object.kind !== kind) throw new TypeError(`a ${object.kind} among objects of kind ${kind}`);
    refuseMalformed(object);
    const key = holder.keyOf(object);
    kept?.add(key);
    yield;
  }
  for (const held of holder.names(layer, kind)) {
    if (kept?.has(holder.keyOf(held)) === false) holder.apply(layer, { type: 'delete', ...held });
    yield;
  }
  for (const object of objects) {
    holder.apply(layer, { type: 'set', object });
    yield;
  }
}
