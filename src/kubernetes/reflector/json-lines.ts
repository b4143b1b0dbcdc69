import { isUtf8 } from 'node:buffer';
import { MalformedError } from '../kubernetes-errors.js';

const newline = 0x0a;
/**
 * More than any object of an API server: etcd keeps 1.5 MiB, each byte of which may take six in JSON (`\u003c`). One that
 * is too large would keep those of all others from being read, and whoever has a workspace may write one.
 */
export const maxObjectBytes = 16 * 1024 * 1024;

/** Splits a stream of bytes into lines: write a chunk, take lines until there are no more, write the next. */
export class JsonLines {
  readonly #line: PiecedText;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;

  /** @param maxBytes of one line. Default 16 MiB. */
  constructor(maxBytes = maxObjectBytes) {
    this.#line = new PiecedText('a line', maxBytes);
  }

  /** Whether a line has begun and not ended. */
  get isInLine(): boolean {
    return !this.#line.isEmpty;
  }

  write(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /**
   * The next line, without its end; empty ones are skipped. Undefined where the chunk holds no more.
   *
   * @throws MalformedError for a line that is too large or not UTF-8.
   */
  next(): string | undefined {
    for (;;) {
      const end = this.#chunk.indexOf(newline, this.#at);
      if (end === -1) {
        if (this.#at < this.#chunk.length) this.#line.append(this.#chunk.subarray(this.#at));
        this.#at = this.#chunk.length;
        return undefined;
      }
      const line = this.#line.finish(this.#chunk.subarray(this.#at, end));
      this.#at = end + 1;
      if (line !== '') return line;
    }
  }

  /** @throws MalformedError where the bytes ended in the middle of a line. */
  end(): void {
    if (this.isInLine) throw new MalformedError('ends in the middle of a line');
  }
}

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
