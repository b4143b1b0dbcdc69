import { stringMember } from './json-member.js';

/**
 * The uids of all objects, by which a server's history is known again: one that was wiped and filled anew has
 * objects of the same names, but not of the same uids.
 */
export class KnownObjects {
  /** By name; as numbers, since there may be many. */
  readonly #uids = new Map<string, number>();

  get size(): number {
    return this.#uids.size;
  }

  clear(): void {
    this.#uids.clear();
  }

  add(object: unknown): void {
    this.#uids.set(nameOf(object), uidOf(object));
  }

  delete(name: string): void {
    this.#uids.delete(name);
  }

  /** Whether an object of the server's is among them; where it has none, whether none is. */
  has(object: unknown): boolean {
    if (object === undefined) return this.#uids.size === 0;
    return this.#uids.get(nameOf(object)) === uidOf(object);
  }
}

function nameOf(object: unknown): string {
  return stringMember(object, 'metadata', 'name') ?? '';
}

/** A hash (FNV-1a) that two uids seldom share. */
function uidOf(object: unknown): number {
  const uid = stringMember(object, 'metadata', 'uid') ?? '';
  let hash = 0x811c9dc5;
  for (let at = 0; at < uid.length; at += 1) hash = Math.imul(hash ^ uid.charCodeAt(at), 0x01000193);
  // Small enough to stand in the map itself.
  return hash >> 2;
}
