import type { SeriesDigest } from './series-digest.js';

/** So many that growing one of them takes well under a millisecond. */
const shards = 64;
const initialSlots = 16;
const maxLoad = 0.6;

/** What a slot holds: a digest, and whose it is. */
const slotWords = 3;

/**
 * The series of a family and whose they are, remembered by digests of 64 bits: 24 to 48 bytes each, where their text
 * may have hundreds.
 */
export class SeriesDigests {
  #shards: (DigestTable | undefined)[] = [];
  /** How many there are. */
  size = 0;

  /** Whose it is: the first that claimed it. */
  claim({ low, high }: SeriesDigest, owner: number): number {
    const at = high >>> 26;
    let table = this.#shards[at];
    if (table === undefined) this.#shards[at] = table = new DigestTable();
    const before = table.size;
    const first = table.claim(low, high, owner);
    this.size += table.size - before;
    return first;
  }

  clear(): void {
    if (this.size > 0) this.#shards = new Array<undefined>(shards);
    this.size = 0;
  }
}

/** Open addressing; a slot of two zeros is free. */
class DigestTable {
  #slots = new Int32Array(slotWords * initialSlots);
  size = 0;

  claim(low: number, high: number, owner: number): number {
    // The one digest that looks like a free slot takes its neighbour's place.
    const word = low === 0 && high === 0 ? 1 : low;
    if (this.size >= maxLoad * (this.#slots.length / slotWords)) this.#grow();
    const at = slotOf(this.#slots, word, high);
    if (this.#slots[at] === word && this.#slots[at + 1] === high) return this.#slots[at + 2] ?? owner;
    this.#slots.set([word, high, owner], at);
    this.size += 1;
    return owner;
  }

  #grow(): void {
    const slots = this.#slots;
    const larger = new Int32Array(2 * slots.length);
    for (let at = 0; at < slots.length; at += slotWords) {
      const [low = 0, high = 0] = [slots[at], slots[at + 1]];
      if (low !== 0 || high !== 0) larger.set(slots.subarray(at, at + slotWords), slotOf(larger, low, high));
    }
    this.#slots = larger;
  }
}

/** Where the digest stands, or has its place. */
function slotOf(slots: Int32Array, low: number, high: number): number {
  const mask = slots.length / slotWords - 1;
  for (let slot = low & mask; ; slot = (slot + 1) & mask) {
    const at = slotWords * slot;
    const [foundLow, foundHigh] = [slots[at], slots[at + 1]];
    if ((foundLow === low && foundHigh === high) || (foundLow === 0 && foundHigh === 0)) return at;
  }
}
