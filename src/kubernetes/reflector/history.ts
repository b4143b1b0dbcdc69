import { failureOf, ReflectorFailure } from '../kubernetes-errors.js';
import { stringMember } from './json.js';
import { listFirst, type First } from './lists.js';
import type { Requests } from './streamed-answer.js';

const decimal = /^(?:0|[1-9][0-9]*)$/;

/**
 * Whether a resourceVersion is older than another. Those that are decimal integers have an order (KEP-5504); any
 * others can only be told apart, and none is older.
 */
export function isOlder(resourceVersion: string, other: string): boolean {
  if (!decimal.test(resourceVersion) || !decimal.test(other)) return false;
  if (resourceVersion.length !== other.length) return resourceVersion.length < other.length;
  return resourceVersion < other;
}

/**
 * The uids of all objects, by which a server's history is recognised: one that was wiped and filled again has
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

/**
 * The server may have come back from a backup, or from nothing. Of that a watch tells nothing: kube-apiserver is
 * silent until its resourceVersion has passed the one that was asked for. To be asked when the watch has begun:
 * whatever happens to the server afterwards ends the watch.
 *
 * Resolves to the server's resourceVersion. @throws ReflectorFailure; `expired` where it is another history.
 */
export async function requireSameHistory(
  requests: Requests,
  known: KnownObjects,
  { server, resourceVersion }: { readonly server: string; readonly resourceVersion: string },
): Promise<string> {
  const first = await listFirst(requests).catch((error: unknown): First | undefined => {
    // A client that may watch and not list can only have everything told again.
    if (failureOf(error).status === 403) return undefined;
    throw error;
  });
  const isSame =
    first?.server === server && !isOlder(first.resourceVersion, resourceVersion) && known.has(first.object);
  if (!isSame) throw new ReflectorFailure('expired', 'the server may have another history than before');
  return first.resourceVersion;
}
