import { MalformedError } from './malformed-error.js';
import { PiecedText } from './pieced-text.js';

const newline = 0x0a;
const maxLineBytes = 8 * 1024 * 1024;

/** Splits a stream of bytes into lines: write a chunk, take lines until there are no more, write the next. */
export class JsonLines {
  readonly #line: PiecedText;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;

  /** @param maxBytes of one line. Default 8 MiB. */
  constructor(maxBytes = maxLineBytes) {
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
