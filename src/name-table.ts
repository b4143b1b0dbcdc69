import { randomInt } from 'node:crypto';

/**
 * Others in each process: no policy can be written so that its names collide, by owners of workspaces neither. Factors
 * are odd, so that no bit is lost.
 */
const [seed, first, second] = [randomInt(2 ** 32), randomInt(2 ** 32) | 1, randomInt(2 ** 32) | 1];

/**
 * A map by name, for a hundred thousand names of which most have not been looked up for long. A Map reads memory all over
 * for every name in the same bucket; here the hashes lie side by side, so that a name that is not there costs one read,
 * and one that is there a few at a time. To grow moves entries, where a Map asks each name for its hash.
 *
 * A name may stand once in each of many spaces, which are numbered.
 */
export class NameTable<Value> {
  size = 0;
  /** Open addressing with linear probing; 0 is free. */
  #hashes: Int32Array;
  /** In turns the name and the value of each hash. */
  #entries: (string | Value | undefined)[];

  /** @param smallest how many places it has at least, a power of two. */
  constructor(private readonly smallest = 4096) {
    this.#hashes = new Int32Array(smallest);
    this.#entries = new Array<undefined>(2 * smallest);
  }

  get(name: string, space = 0): Value | undefined {
    const place = this.#placeOf(name, hashOf(name, space));
    return this.#hashes[place] === 0 ? undefined : (this.#entries[2 * place + 1] as Value);
  }

  set(name: string, value: Value, space = 0): void {
    const hash = hashOf(name, space);
    const place = this.#placeOf(name, hash);
    const isNew = this.#hashes[place] === 0;
    this.#put(place, hash, name, value);
    if (!isNew) return;
    this.size += 1;
    if (5 * this.size > 4 * this.#hashes.length) this.#resize(2 * this.#hashes.length);
  }

  delete(name: string, space = 0): void {
    const place = this.#placeOf(name, hashOf(name, space));
    if (this.#hashes[place] === 0) return;
    this.#free(place);
    this.size -= 1;
    const { length } = this.#hashes;
    if (8 * this.size < length && length > this.smallest) this.#resize(length / 2);
  }

  /** Where the name stands, or where it would. */
  #placeOf(name: string, hash: number): number {
    const hashes = this.#hashes;
    const mask = hashes.length - 1;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const found = hashes[place];
      if (found === 0 || (found === hash && this.#entries[2 * place] === name)) return place;
    }
  }

  #put(place: number, hash: number, name: string | undefined, value: Value | undefined): void {
    this.#hashes[place] = hash;
    this.#entries[2 * place] = name;
    this.#entries[2 * place + 1] = value;
  }

  /** Moves those behind that would no longer be found. */
  #free(place: number): void {
    const hashes = this.#hashes;
    const mask = hashes.length - 1;
    let free = place;
    for (let at = (free + 1) & mask; hashes[at] !== 0; at = (at + 1) & mask) {
      const hash = hashes[at] as number;
      if (((at - hash) & mask) < ((at - free) & mask)) continue;
      this.#put(free, hash, this.#entries[2 * at] as string, this.#entries[2 * at + 1] as Value);
      free = at;
    }
    this.#put(free, 0, undefined, undefined);
  }

  #resize(length: number): void {
    const hashes = this.#hashes;
    const entries = this.#entries;
    this.#hashes = new Int32Array(length);
    this.#entries = new Array<undefined>(2 * length);
    for (let at = 0; at < hashes.length; at += 1) {
      const hash = hashes[at] as number;
      if (hash === 0) continue;
      let place = hash & (length - 1);
      while (this.#hashes[place] !== 0) place = (place + 1) & (length - 1);
      this.#put(place, hash, entries[2 * at] as string, entries[2 * at + 1] as Value);
    }
  }
}

/**
 * Takes two characters at a time; never 0. Each time two secret factors: of one, the highest bit passes through unchanged
 * whatever the factor is, and as in MurmurHash the next characters could take it back. The hash of a name is another one
 * in each space, so that both together tell the space as well: to multiply by an odd number maps no two spaces to the
 * same 31 bits.
 */
export function hashOf(name: string, space: number): number {
  const { length } = name;
  let hash = seed ^ length;
  for (let at = 1; at < length; at += 2) {
    hash = Math.imul(hash ^ (name.charCodeAt(at - 1) | (name.charCodeAt(at) << 16)), first);
    hash = Math.imul(hash ^ (hash >>> 15), second);
  }
  if (length % 2 === 1) hash ^= name.charCodeAt(length - 1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16) ^ Math.imul(space, 0x9e3779b1)) | 0x80000000;
}
