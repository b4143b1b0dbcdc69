import { Readable } from 'node:stream';
import { isStreamed, type RenderedExposition, type StreamedExposition } from './exposition.js';

/** The approximate size of all chunks of a body except the last (bytes). */
export const chunkBytes = 64 * 1024;

const noBytes = Buffer.alloc(0);

export const endOfBody: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Writes bytes and text one after another into chunks, which are taken as they become full or kept: the position of a
 * byte stays the same when chunks before it are taken.
 */
export class ChunkWriter {
  #full: Buffer[] = [];
  /** To be filled again. */
  #spare: Buffer[] = [];
  /** The positions at which the full chunks begin, and then the one that is being filled. */
  #starts = [0];
  /** The chunk that is being filled; `reserve` may replace it. */
  bytes: Buffer = noBytes;
  /** How much of it is filled. */
  length = 0;

  /** The position of the next byte. */
  get end(): number {
    return (this.#starts[this.#full.length] ?? 0) + this.length;
  }

  /** Makes room for `count` bytes in one chunk: for the `append` methods, which do not check. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    if (this.length > 0) {
      this.#starts.push(this.end);
      this.#full.push(this.bytes.subarray(0, this.length));
    }
    const spare = count > chunkBytes ? undefined : this.#spare.pop();
    this.bytes = spare ?? Buffer.allocUnsafeSlow(Math.max(count, chunkBytes));
    this.length = 0;
  }

  /** Begins anew, in the memory of what was written: nobody may hold a part of it. */
  clear(): void {
    for (const { buffer } of [...this.#full, this.bytes])
      if (buffer.byteLength === chunkBytes) this.#spare.push(Buffer.from(buffer));
    this.#full = [];
    this.#starts = [0];
    this.bytes = noBytes;
    this.length = 0;
  }

  append(source: Uint8Array, start: number, end: number): void {
    const target = this.bytes;
    let to = this.length;
    // For a few bytes, calling a native function costs more than a loop.
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

  /** Into one chunk. `text` is UTF-8 decoded as Latin-1. */
  writeLatin1(text: string): void {
    this.reserve(text.length);
    this.appendLatin1(text);
  }

  appendLatin1(text: string): void {
    this.length += this.bytes.write(text, this.length, 'latin1');
  }

  /** Writes any number of bytes. */
  write(source: Uint8Array): void {
    for (let at = 0; at < source.length; at += chunkBytes) {
      const end = Math.min(source.length, at + chunkBytes);
      this.reserve(end - at);
      this.append(source, at, end);
    }
  }

  /** Writes text as UTF-8, into one chunk. */
  writeText(text: string): void {
    this.reserve(Buffer.byteLength(text));
    this.length += this.bytes.write(text, this.length);
  }

  takeFull(): readonly Buffer[] {
    const full = this.#full;
    if (full.length > 0) {
      this.#full = [];
      this.#starts = this.#starts.slice(full.length);
    }
    return full;
  }

  /** Ends the writing: yields full chunks and returns the last one. */
  *rest(): Generator<Buffer, Buffer, undefined> {
    yield* this.takeFull();
    return this.bytes.subarray(0, this.length);
  }

  /** What was written between two positions and has not been taken, in pieces. */
  *between(start: number, end: number): Generator<Buffer, void, undefined> {
    for (let index = this.#chunkAt(start), at = start; at < end; index += 1) {
      const chunkStart = this.#starts[index] ?? 0;
      const chunk = this.#full[index] ?? this.bytes;
      const next = Math.min(end, this.#starts[index + 1] ?? end);
      yield chunk.subarray(at - chunkStart, next - chunkStart);
      at = next;
    }
  }

  /** Copies what was written between two positions and has not been taken; returns where it ends in `target`. */
  copy(start: number, end: number, target: Buffer, to: number): number {
    for (let index = this.#chunkAt(start), at = start; at < end; index += 1) {
      const chunkStart = this.#starts[index] ?? 0;
      const chunk = this.#full[index] ?? this.bytes;
      const next = Math.min(end, this.#starts[index + 1] ?? end);
      chunk.copy(target, to, at - chunkStart, next - chunkStart);
      to += next - at;
      at = next;
    }
    return to;
  }

  #chunkAt(position: number): number {
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/**
 * A body made of a function that reads the next chunk and one that closes the source. Not a generator: `return` of one
 * that was never started does not run its `finally`.
 */
export function bodyOf(
  next: () => Promise<IteratorResult<Uint8Array, undefined>>,
  close: () => Promise<unknown>,
): AsyncIterableIterator<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next,
    async return() {
      await close();
      return endOfBody;
    },
  };
}

/**
 * The rendered exposition made of `chunks`: whole, with a known length, if they end before `heldBytes`; otherwise
 * streamed. A generator may return its last chunk instead of yielding it.
 */
export async function wholeOrStreamed(
  contentType: string,
  chunks: AsyncGenerator<Uint8Array, Uint8Array | undefined, undefined>,
  heldBytes = 1,
): Promise<RenderedExposition> {
  const held: Uint8Array[] = [];
  for (let length = 0; length < heldBytes;) {
    const { done, value } = await chunks.next();
    if (value !== undefined) held.push(value);
    if (done === true) return { contentType, body: concatenated(held) };
    length += value.byteLength;
  }
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    const first = held.shift();
    if (first !== undefined) return { done: false, value: first };
    const { value, done } = await chunks.next();
    return value === undefined || (done === true && value.byteLength === 0)
      ? endOfBody
      : { done: false, value };
  };
  const close = (): Promise<unknown> => {
    held.length = 0;
    return chunks.return(undefined);
  };
  return { contentType, body: bodyOf(next, close) };
}

/** As one; what is one already is not copied. */
export function concatenated(chunks: readonly Uint8Array[]): Uint8Array {
  const [first = noBytes] = chunks;
  return chunks.length > 1 ? Buffer.concat(chunks) : first;
}

/** The bytes of a rendered exposition; long text is encoded in pieces, not in one go. */
export function bodyPieces({ body }: RenderedExposition): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (typeof body === 'string') return utf8Pieces(body);
  return body instanceof Uint8Array ? [body] : body;
}

function* utf8Pieces(text: string): Generator<Uint8Array, void, undefined> {
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + chunkBytes);
    // Surrogate pairs are not cut apart.
    if (end < text.length && /[\ud800-\udbff]/.test(text.charAt(end - 1))) end += 1;
    yield Buffer.from(text.slice(start, end));
    start = end;
  }
}

/** A body with one reader, closed exactly once unless it ended by itself. `onOver` is called once, when nothing is left. */
export class BodySource implements AsyncIterableIterator<Uint8Array> {
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #isOver = false;

  constructor(
    private readonly body: StreamedExposition['body'],
    private onOver?: () => void,
  ) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @throws what the body fails with; TypeError where it yields something other than bytes, and then it is closed. */
  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#isOver) return endOfBody;
    let next: IteratorResult<Uint8Array, unknown>;
    try {
      this.#iterator ??= this.body[Symbol.asyncIterator]();
      next = await this.#iterator.next();
    } catch (error) {
      this.#end();
      throw error;
    }
    if (next.done === true) {
      this.#end();
      return endOfBody;
    }
    if ((next.value as unknown) instanceof Uint8Array) return next;
    await this.return();
    throw new TypeError('an exposition must yield bytes');
  }

  /** Closes it, also while a chunk is awaited. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    if (this.#isOver) return endOfBody;
    this.#isOver = true;
    try {
      // A stream's iterator waits for the next chunk before it closes, and closes nothing if it was never started.
      if (this.body instanceof Readable) this.body.destroy();
      else {
        this.#iterator ??= this.body[Symbol.asyncIterator]();
        await this.#iterator.return?.();
      }
    } finally {
      this.#end();
    }
    return endOfBody;
  }

  #end(): void {
    this.#isOver = true;
    this.onOver?.();
    this.onOver = undefined;
  }
}

/** Closes a rendered body that will not be read. Never rejects. */
export async function abandon(rendered: RenderedExposition): Promise<void> {
  if (isStreamed(rendered)) await new BodySource(rendered.body).return().catch(() => undefined);
}
