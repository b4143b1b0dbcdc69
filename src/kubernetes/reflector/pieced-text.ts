import { isUtf8 } from 'node:buffer';
import { MalformedError } from './malformed-error.js';

/** Gathers one text whose bytes come in pieces, at most `limit` of them. */
export class PiecedText {
  /** Twice as long each time, so that many small pieces cost no more than few large ones. */
  #buffer: Buffer | undefined;
  #length = 0;

  constructor(
    /** What it is called in errors. */
    readonly name: string,
    readonly limit: number,
  ) {}

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** @throws MalformedError when it becomes too large. */
  append(piece: Buffer): void {
    const length = this.#length + piece.length;
    this.#checkLimit(length);
    let buffer = this.#buffer;
    if (buffer === undefined || buffer.length < length) {
      const larger = Buffer.allocUnsafe(Math.max(length * 2, 1024));
      buffer?.copy(larger, 0, 0, this.#length);
      this.#buffer = buffer = larger;
    }
    piece.copy(buffer, this.#length);
    this.#length = length;
  }

  /**
   * The whole text, which ends with `piece`; the next one begins empty.
   *
   * @throws MalformedError when it is too large or not UTF-8.
   */
  finish(piece: Buffer): string {
    let bytes = piece;
    if (this.isEmpty) this.#checkLimit(piece.length);
    else {
      this.append(piece);
      bytes = this.#buffer?.subarray(0, this.#length) ?? piece;
      this.#buffer = undefined;
      this.#length = 0;
    }
    if (!isUtf8(bytes)) throw new MalformedError(`${this.name} is not UTF-8`);
    return bytes.toString();
  }

  #checkLimit(length: number): void {
    if (length > this.limit) throw new MalformedError(`${this.name} is larger than ${this.limit} bytes`);
  }
}
