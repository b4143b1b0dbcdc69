const chunkBytes = 64 * 1024;

/** Bytes that are written one after another and kept; a place in them is a number that stays the same. */
export class HeldBytes {
  readonly #chunks: Buffer[] = [];
  /** Where each chunk begins. */
  readonly #starts: number[] = [];
  /** What is being filled, where it begins, and how much of it is. */
  #filling: Buffer = Buffer.alloc(0);
  #start = 0;
  #length = 0;

  /** Where the next byte will stand. */
  get end(): number {
    return this.#start + this.#length;
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#filling.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Text that is UTF-8 read as Latin-1. */
  appendLatin1(text: string): void {
    this.#reserve(text.length);
    this.#length += this.#filling.write(text, this.#length, 'latin1');
  }

  /** What was written from one place to another, in pieces as it was reserved. */
  *between(start: number, end: number): Generator<Buffer, void, undefined> {
    for (let index = this.#chunkAt(start), at = start; at < end; index += 1) {
      const chunkStart = this.#starts[index] ?? 0;
      const next = Math.min(end, this.#starts[index + 1] ?? this.end);
      const chunk = this.#chunks[index];
      if (chunk === undefined) return;
      yield chunk.subarray(at - chunkStart, next - chunkStart);
      at = next;
    }
  }

  /** Makes room for as many bytes in one chunk. */
  #reserve(count: number): void {
    if (this.#length + count <= this.#filling.length) return;
    this.#start += this.#length;
    this.#length = 0;
    this.#filling = Buffer.allocUnsafeSlow(Math.max(count, chunkBytes));
    this.#chunks.push(this.#filling);
    this.#starts.push(this.#start);
  }

  /** Which chunk holds a place. */
  #chunkAt(place: number): number {
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] ?? 0) <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
