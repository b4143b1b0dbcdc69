import type { SeriesDigest } from './series-digest.js';

/** So many that growing one of them takes well under a millisecond. */
const shards = 64;
const initialSlots = 16;
const maxLoad = 0.6;

/**
 * The series of a family, remembered by digests of 64 bits: 16 to 32 bytes each, where their text may have hundreds.
 */
export class SeriesDigests {
  #shards: (DigestTable | undefined)[] = [];
  size = 0;

  /** Whether it was not there. */
  add({ low, high }: SeriesDigest): boolean {
    const at = high >>> 26;
    let table = this.#shards[at];
    if (table === undefined) this.#shards[at] = table = new DigestTable();
    const isNew = table.add(low, high);
    if (isNew) this.size += 1;
    return isNew;
  }

  clear(): void {
    if (this.size > 0) this.#shards = new Array<undefined>(shards);
    this.size = 0;
  }
}

/** Open addressing; a slot of two zeros is free. */
class DigestTable {
  #slots = new Int32Array(2 * initialSlots);
  #size = 0;

  add(low: number, high: number): boolean {
    // The one digest that looks like a free slot takes its neighbour's place.
    const word = low === 0 && high === 0 ? 1 : low;
    if (this.#size >= maxLoad * (this.#slots.length / 2)) this.#grow();
    const isNew = insert(this.#slots, word, high);
    if (isNew) this.#size += 1;
    return isNew;
  }

  #grow(): void {
    const larger = new Int32Array(2 * this.#slots.length);
    for (let at = 0; at < this.#slots.length; at += 2) {
      const [low = 0, high = 0] = [this.#slots[at], this.#slots[at + 1]];
      if (low !== 0 || high !== 0) insert(larger, low, high);
    }
    this.#slots = larger;
  }
}

function insert(slots: Int32Array, low: number, high: number): boolean {
  const mask = slots.length / 2 - 1;
  for (let slot = low & mask; ; slot = (slot + 1) & mask) {
    const [foundLow, foundHigh] = [slots[2 * slot], slots[2 * slot + 1]];
    if (foundLow === low && foundHigh === high) return false;
    if (foundLow === 0 && foundHigh === 0) {
      slots[2 * slot] = low;
      slots[2 * slot + 1] = high;
      return true;
    }
  }
}
