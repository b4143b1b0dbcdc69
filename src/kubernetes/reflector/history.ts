import { NameTable } from '../../name-table.js';
import { failureOf, ReflectorFailure } from '../kubernetes-errors.js';
import { stringMember, type ObjectKey } from '../json.js';
import { listFirst } from './lists.js';
import type { Requests } from './streamed-answer.js';

const decimal = /^(?:0|[1-9][0-9]*)$/;

/**
 * Whether a resourceVersion is older than another. Decimal integers are ordered (KEP-5504); any others can only be
 * compared for equality, and none is older.
 */
export function isOlder(resourceVersion: string, other: string): boolean {
  if (!decimal.test(resourceVersion) || !decimal.test(other)) return false;
  if (resourceVersion.length !== other.length) return resourceVersion.length < other.length;
  return resourceVersion < other;
}

/**
 * The uids of all objects, by which a server's history is recognised: a server that was wiped and filled again has the
 * same names, but not the same uids.
 */
export class KnownObjects {
  /** By key; as numbers, since there may be many. */
  #uids = new NameTable<number>();

  constructor(private readonly keyOf: ObjectKey) {}

  get size(): number {
    return this.#uids.size;
  }

  clear(): void {
    this.#uids = new NameTable();
  }

  add(object: unknown): void {
    this.#uids.set(this.keyOf(object), uidOf(object));
  }

  delete(object: unknown): void {
    this.#uids.delete(this.keyOf(object));
  }

  /** Whether one of the server's objects is known; if it has none, whether none is known. */
  has(object: unknown): boolean {
    if (object === undefined) return this.#uids.size === 0;
    return this.#uids.get(this.keyOf(object)) === uidOf(object);
  }
}

/** A hash (FNV-1a); two uids rarely share one. */
function uidOf(object: unknown): number {
  const uid = stringMember(object, 'metadata', 'uid') ?? '';
  let hash = 0x811c9dc5;
  for (let at = 0; at < uid.length; at += 1) hash = Math.imul(hash ^ uid.charCodeAt(at), 0x01000193);
  // Small enough to be stored in the table itself.
  return hash >> 2;
}

/**
 * Checks whether the server was restored from a backup or wiped. A watch does not show that: kube-apiserver is silent
 * until its resourceVersion has passed the requested one. Call it after the watch has begun: whatever happens to the
 * server afterwards ends the watch.
 *
 * Resolves to the server's resourceVersion. @throws ReflectorFailure; `expired` where it is another history.
 */
export async function requireSameHistory(
  requests: Requests,
  known: KnownObjects,
  { server, resourceVersion }: { readonly server: string; readonly resourceVersion: string },
): Promise<string> {
  const first = await listFirst(requests).catch((error: unknown) => {
    // A client that may watch but not list must start over.
    if (failureOf(error).status === 403) return undefined;
    throw error;
  });
  const isSame =
    first?.server === server && !isOlder(first.resourceVersion, resourceVersion) && known.has(first.object);
  if (!isSame) throw new ReflectorFailure('expired', 'the server may have another history than before');
  return first.resourceVersion;
}
