import { randomInt } from 'node:crypto';

/** Of this process alone, so that nobody can prepare series that are taken for one. */
const seeds: [number, number] = [randomInt(2 ** 32), randomInt(2 ** 32)];

/** 64 bits of a series' name and labels, in whatever order they come. */
export class SeriesDigest {
  low = 0;
  high = 0;

  /** Of a series of this name. */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.clear();
    this.addLabel(bytes, start, end);
  }

  /** Of nothing. */
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
    // Mixed before they are summed: a sum of plain digests has the sums of parts that were exchanged.
    this.low = (this.low + mixed(low ^ Math.imul(high, 0x9e3779b1))) | 0;
    this.high = (this.high + mixed(high ^ Math.imul(low, 0xc2b2ae3d))) | 0;
  }
}

function mixed(word: number): number {
  let mixing = Math.imul(word ^ (word >>> 16), 0x7feb352d);
  mixing = Math.imul(mixing ^ (mixing >>> 15), 0x846ca68b);
  return mixing ^ (mixing >>> 16);
}
