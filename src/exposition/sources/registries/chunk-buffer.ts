/** Bytes of a chunk, where no single text is longer. */
const chunkBytes = 65_536;

/** Characters that are gathered before they become bytes: few enough to be garbage at once, many enough to pay. */
const batchLength = 4096;

/** Puts texts together to chunks, which are never written to again once they are handed out. */
export class ChunkBuffer {
  #batch = '';
  #chunk: Buffer | undefined;
  #used = 0;

  /** Adds a text; returns the chunk before it where that is full. */
  add(text: string): Buffer | undefined {
    this.#batch += text;
    return this.#batch.length < batchLength ? undefined : this.#flush();
  }

  /** What is left; before it the chunk that it does not fit into. */
  end(): { readonly full?: Buffer | undefined; readonly last: Buffer } {
    if (this.#chunk === undefined) return { last: Buffer.from(this.#batch) };
    const full = this.#flush();
    return { full, last: this.#chunk.subarray(0, this.#used) };
  }

  #flush(): Buffer | undefined {
    const length = Buffer.byteLength(this.#batch);
    let full: Buffer | undefined;
    if (this.#chunk !== undefined && this.#used + length > this.#chunk.byteLength) {
      full = this.#chunk.subarray(0, this.#used);
      this.#chunk = undefined;
      this.#used = 0;
    }
    this.#chunk ??= Buffer.allocUnsafeSlow(Math.max(chunkBytes, length));
    this.#used += this.#chunk.write(this.#batch, this.#used);
    this.#batch = '';
    return full;
  }
}
