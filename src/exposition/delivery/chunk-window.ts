/** The overhead of a chunk (bytes), so that very small chunks are counted at their real cost. */
const chunkOverheadBytes = 128;

/** Chunks that some reader may still need. A reader's position is the number of the chunk that it reads next. */
export class ChunkWindow {
  readonly #chunks: Uint8Array[] = [];
  /** How many readers are at each position, from the first chunk kept to the one after the last. */
  readonly #readers = [0];
  #first = 0;
  #heldBytes = 0;
  #isWhole = true;

  /** All that is kept, with its overhead. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether all chunks from the very first are kept. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** The position of the first chunk that is kept. */
  get first(): number {
    return this.#first;
  }

  get chunks(): readonly Uint8Array[] {
    return this.#chunks;
  }

  append(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#readers.push(0);
    this.#heldBytes += costOf(chunk);
  }

  /** Undefined after the last. */
  at(position: number): Uint8Array | undefined {
    return this.#chunks[position - this.#first];
  }

  /** Adds a reader at the very beginning. */
  enter(): void {
    this.#change(0, 1);
  }

  advance(from: number): void {
    this.#change(from + 1, 1);
    this.leave(from);
  }

  leave(position: number): void {
    this.#change(position, -1);
    this.#drop();
  }

  /** From now on drops chunks that all have read; then no reader can join. */
  dropRead(): void {
    this.#isWhole = false;
    this.#drop();
  }

  clear(): void {
    this.#isWhole = false;
    this.#chunks.length = 0;
    this.#heldBytes = 0;
  }

  #change(position: number, by: number): void {
    const at = position - this.#first;
    this.#readers[at] = (this.#readers[at] ?? 0) + by;
  }

  #drop(): void {
    if (this.#isWhole) return;
    while (this.#readers[0] === 0 && this.#chunks.length > 0) {
      const chunk = this.#chunks.shift();
      this.#readers.shift();
      this.#first += 1;
      if (chunk !== undefined) this.#heldBytes -= costOf(chunk);
    }
  }
}

function costOf(chunk: Uint8Array): number {
  return chunk.byteLength + chunkOverheadBytes;
}
