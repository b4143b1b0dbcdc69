import { lineFeed } from './characters.js';

/**
 * Bytes that come in any pieces, as runs of whole lines. Only a line that was cut apart is copied.
 */
export class WholeLines {
  readonly #maxLineBytes: number;
  #rest: Buffer = Buffer.alloc(0);
  #restLength = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** The lines that end in this piece. */
  *add(piece: Buffer): Generator<Buffer, void, undefined> {
    let start = 0;
    if (this.#restLength > 0) {
      const end = piece.indexOf(lineFeed);
      this.#keep(end === -1 ? piece : piece.subarray(0, end + 1));
      if (end === -1) return;
      yield this.takeRest();
      start = end + 1;
    }
    const end = piece.lastIndexOf(lineFeed) + 1;
    if (end > start) yield piece.subarray(start, end);
    this.#keep(piece.subarray(Math.max(start, end)));
  }

  /** Whether the line that has begun is longer than it may be. */
  get isTooLong(): boolean {
    return this.#restLength > this.#maxLineBytes;
  }

  /** The line that has begun; after the last piece one without a line feed. */
  takeRest(): Buffer {
    const line = Buffer.from(this.#rest.subarray(0, this.#restLength));
    this.#restLength = 0;
    return line;
  }

  #keep(bytes: Buffer): void {
    const length = this.#restLength + bytes.length;
    if (length > this.#rest.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#rest.length));
      this.#rest.copy(larger, 0, 0, this.#restLength);
      this.#rest = larger;
    }
    bytes.copy(this.#rest, this.#restLength);
    this.#restLength = length;
  }
}
