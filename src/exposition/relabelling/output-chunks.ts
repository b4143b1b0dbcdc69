export const chunkBytes = 64 * 1024;

/**
 * Bytes that are written one after another, and taken in chunks of 64 KiB or kept: a place in them is a number that
 * stays the same.
 */
export class OutputChunks {
  #full: Buffer[] = [];
  /** Where each of them begins, and then what is being filled. */
  #starts = [0];
  /** What is being filled; `reserve` may put another in its place. */
  bytes = Buffer.allocUnsafeSlow(chunkBytes);
  length = 0;

  /** Where the next byte will stand. */
  get end(): number {
    return (this.#starts[this.#full.length] ?? 0) + this.length;
  }

  /** Makes room for as many bytes in one chunk. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    if (this.length > 0) {
      this.#starts.push(this.end);
      this.#full.push(this.bytes.subarray(0, this.length));
    }
    this.bytes = Buffer.allocUnsafeSlow(Math.max(count, chunkBytes));
    this.length = 0;
  }

  /** Into what was reserved. */
  append(source: Uint8Array, start: number, end: number): void {
    const target = this.bytes;
    let to = this.length;
    // A call out of JavaScript costs more than a few bytes do.
    if (end - start < 48) for (let from = start; from < end; from += 1) target[to++] = source[from] ?? 0;
    else {
      target.set(source.subarray(start, end), to);
      to += end - start;
    }
    this.length = to;
  }

  appendByte(byte: number): void {
    this.bytes[this.length++] = byte;
  }

  /** Of text that is UTF-8 read as Latin-1. */
  appendLatin1(text: string): void {
    this.length += this.bytes.write(text, this.length, 'latin1');
  }

  /** Any number of bytes. */
  appendWhole(source: Uint8Array): void {
    for (let at = 0; at < source.length; at += chunkBytes) {
      const end = Math.min(source.length, at + chunkBytes);
      this.reserve(end - at);
      this.append(source, at, end);
    }
  }

  takeFull(): readonly Buffer[] {
    const full = this.#full;
    if (full.length > 0) {
      this.#full = [];
      this.#starts = this.#starts.slice(full.length);
    }
    return full;
  }

  /** All that is left; nothing is written any more. */
  takeRest(): readonly Buffer[] {
    return this.length === 0 ? this.takeFull() : [...this.takeFull(), this.bytes.subarray(0, this.length)];
  }

  /** What was written from one place to another and has not been taken, in pieces. */
  *between(start: number, end: number): Generator<Buffer, void, undefined> {
    for (let index = this.#chunkAt(start), at = start; at < end; index += 1) {
      const chunkStart = this.#starts[index] ?? 0;
      const chunk = this.#full[index] ?? this.bytes;
      const next = Math.min(end, this.#starts[index + 1] ?? end);
      yield chunk.subarray(at - chunkStart, next - chunkStart);
      at = next;
    }
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
