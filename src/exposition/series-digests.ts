import { randomInt } from 'node:crypto';

/** A random key of this process, so that colliding series cannot be prepared. */
const seeds: [number, number] = [randomInt(2 ** 32), randomInt(2 ** 32)];

/** A digest of 64 bits of a series' name and labels, in whatever order they come. */
export class SeriesDigest {
  low = 0;
  high = 0;

  /** Begins with a name. */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.clear();
    this.addLabel(bytes, start, end);
  }

  clear(): void {
    this.low = 0;
    this.high = 0;
  }

  addLabel(bytes: Uint8Array, start: number, end: number): void {
    let [low, high]: [number, number] = seeds;
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at] ?? 0;
      low = Math.imul(low ^ byte, 0x01000193);
      low ^= low >>> 15;
      high = Math.imul(high + byte, 0x85ebca6b);
      high ^= high >>> 13;
    }
    // Mixed before they are summed: else labels that exchange parts could have the same sum.
    this.low = (this.low + mixed(low ^ Math.imul(high, 0x9e3779b1))) | 0;
    this.high = (this.high + mixed(high ^ Math.imul(low, 0xc2b2ae3d))) | 0;
  }
}

function mixed(word: number): number {
  let mixing = Math.imul(word ^ (word >>> 16), 0x7feb352d);
  mixing = Math.imul(mixing ^ (mixing >>> 15), 0x846ca68b);
  return mixing ^ (mixing >>> 16);
}

/** The number of tables; growing one takes well under a millisecond. */
const shards = 64;
const initialSlots = 16;
/** A metric with fewer series has one table: it takes less time than many small ones. */
const maxInOneTable = 1024;
const maxLoad = 0.6;

/** What a slot holds: a digest, and its owner. One whose digest is zero is free. */
const slotWords = 3;

/**
 * The series of a family and their owners, remembered by digests: 24 to 48 bytes each, where their text may have
 * hundreds.
 */
export class SeriesDigests {
  #tables = [new DigestTable()];
  /** How many there are. */
  size = 0;

  /** Returns the owner: the first to claim it. */
  claim({ low, high }: SeriesDigest, owner: number): number {
    if (this.size === maxInOneTable && this.#tables.length === 1) this.#spread();
    const table = this.#tables[this.#tables.length === 1 ? 0 : high >>> 26];
    if (table === undefined) return owner;
    const before = table.size;
    // The digest that looks like a free slot is replaced by its neighbour.
    const first = table.claim(low === 0 && high === 0 ? 1 : low, high, owner);
    this.size += table.size - before;
    return first;
  }

  clear(): void {
    if (this.size > 0) this.#tables = [new DigestTable()];
    this.size = 0;
  }

  #spread(): void {
    const [one] = this.#tables;
    this.#tables = Array.from({ length: shards }, () => new DigestTable());
    one?.forEach((low, high, owner) => this.#tables[high >>> 26]?.claim(low, high, owner));
  }
}

/** A table with open addressing. */
class DigestTable {
  #slots = new Int32Array(slotWords * initialSlots);
  size = 0;

  claim(low: number, high: number, owner: number): number {
    if (this.size >= maxLoad * (this.#slots.length / slotWords)) this.#grow();
    const slots = this.#slots;
    const mask = slots.length / slotWords - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const at = slotWords * slot;
      const [foundLow, foundHigh] = [slots[at], slots[at + 1]];
      if (foundLow === low && foundHigh === high) return slots[at + 2] ?? owner;
      if (foundLow !== 0 || foundHigh !== 0) continue;
      slots.set([low, high, owner], at);
      this.size += 1;
      return owner;
    }
  }

  forEach(visit: (low: number, high: number, owner: number) => void): void {
    const slots = this.#slots;
    for (let at = 0; at < slots.length; at += slotWords) {
      const [low = 0, high = 0, owner = 0] = [slots[at], slots[at + 1], slots[at + 2]];
      if (low !== 0 || high !== 0) visit(low, high, owner);
    }
  }

  #grow(): void {
    const larger = new DigestTable();
    larger.#slots = new Int32Array(2 * this.#slots.length);
    this.forEach((low, high, owner) => larger.claim(low, high, owner));
    this.#slots = larger.#slots;
  }
}
