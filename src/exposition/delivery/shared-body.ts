import { BodySource } from '../body.js';
import type { StreamedExposition } from '../exposition.js';
import { BodyReader, giveInTurns, SlowReaderTimer, type ReadBody } from './body-reader.js';
import { LaggingScraperError } from '../exposition-errors.js';

export interface SharingBounds {
  /** How far the fastest reader may be ahead of the slowest (bytes); after that the body cannot be joined. */
  readonly windowBytes: number;
  /** How long a reader may delay others in total (ms). */
  readonly laggardTimeoutMs: number;
}

/** The overhead of a chunk (bytes), so that very small chunks are counted at their real cost. */
const chunkOverheadBytes = 128;

/**
 * One body for many readers, read at the pace of the fastest, but at most a window ahead of the slowest. A reader that
 * delays others for too long is disconnected. The body is closed when its last reader leaves; if it fails, it fails for
 * all.
 */
export class SharedBody implements ReadBody {
  readonly #source: BodySource;
  readonly #readers = new Set<BodyReader>();
  readonly #slowReaderTimer: SlowReaderTimer;
  /** What some reader may still need. */
  #chunks: Uint8Array[] = [];
  /** The position of the first chunk that is kept: a reader's is the number of the chunk that it reads next. */
  #first = 0;
  /** How many readers are at that position: the slowest. */
  #slowest = 0;
  /** Bytes of all chunks that are kept, with their overhead. */
  #heldBytes = 0;
  /** Whether all chunks from the very first are kept. */
  #isWhole = true;
  #isPulling = false;
  #isOver = false;

  /** @param onOver called once, when the body was read, failed or left by all; with all chunks if read and kept. */
  constructor(
    body: StreamedExposition['body'],
    private readonly bounds: SharingBounds,
    private readonly onOver: (result: 'read' | 'failed' | 'left', chunks?: readonly Uint8Array[]) => void,
  ) {
    this.#source = new BodySource(body);
    this.#slowReaderTimer = new SlowReaderTimer(
      bounds.laggardTimeoutMs,
      () => [...this.#readers].filter(({ position }) => position === this.#first),
      (reader) => {
        this.#dismiss(reader, new LaggingScraperError());
      },
    );
  }

  /** Whether another reader would get all of it. */
  get isJoinable(): boolean {
    return this.#isWhole && !this.#isOver;
  }

  /** Adds a reader; only while the body is joinable. */
  enter(signal: AbortSignal | undefined): BodyReader {
    const reader = new BodyReader(this, signal);
    this.#readers.add(reader);
    this.#slowest += 1;
    return reader;
  }

  /** Keeps no more than the present readers need. */
  closeToOthers(): void {
    this.#isWhole = false;
    this.#dropRead();
  }

  read(reader: BodyReader): void {
    const { position } = reader;
    const chunk = this.#chunks[position - this.#first];
    if (chunk !== undefined) {
      reader.give(chunk);
      reader.position += 1;
      this.#moved(reader, position);
    } else if (this.#isOver) {
      reader.finish();
      this.leave(reader)?.catch(() => undefined);
    } else this.#pull();
  }

  leave(reader: BodyReader): Promise<unknown> | undefined {
    if (!this.#readers.delete(reader)) return undefined;
    this.#moved(reader, reader.position);
    if (this.#readers.size > 0) return undefined;
    this.#slowReaderTimer.stop();
    this.#chunks = [];
    if (this.#isOver) return undefined;
    this.#end('left');
    return this.#source.return();
  }

  /** `reader` was at this position. When the last of the slowest moves, those that wait for it may go on. */
  #moved(reader: BodyReader, from: number): void {
    if (from === this.#first) this.#slowest -= 1;
    if (!this.#dropRead()) return;
    this.#slowReaderTimer.stop(reader);
    this.#pull();
  }

  /** Drops chunks that all have read, unless they are kept for others; returns whether there were some. */
  #dropRead(): boolean {
    if (this.#isWhole || this.#slowest > 0 || this.#chunks.length === 0) return false;
    let first = this.#first + this.#chunks.length;
    for (const { position } of this.#readers) {
      if (position < first) [first, this.#slowest] = [position, 0];
      if (position === first) this.#slowest += 1;
    }
    for (const chunk of this.#chunks.splice(0, first - this.#first)) this.#heldBytes -= costOf(chunk);
    this.#first = first;
    return true;
  }

  #pull(): void {
    if (this.#isPulling || this.#isOver || ![...this.#readers].some(({ isWaiting }) => isWaiting)) return;
    if (!this.#isWhole && this.#heldBytes >= this.bounds.windowBytes) {
      this.#slowReaderTimer.start();
      return;
    }
    this.#isPulling = true;
    this.#source.next().then(
      (next) => {
        if (this.#isOver) return;
        if (next.done === true) this.#end('read', this.#isWhole ? [...this.#chunks] : undefined);
        else this.#keep(next.value);
        void this.#giveOut(next.value?.byteLength ?? 0);
      },
      (error: unknown) => {
        if (this.#isOver) return;
        this.#end('failed');
        // At once, also for readers that are behind: none of them can get it whole.
        for (const reader of this.#readers) this.#dismiss(reader, error);
      },
    );
  }

  /** To all who wait; they wait for one another, as each of them does for the next chunk. */
  async #giveOut(bytes: number): Promise<void> {
    await giveInTurns(this.#readers, bytes, (reader) => {
      if (!reader.isWaiting) return false;
      this.read(reader);
      return true;
    });
    this.#isPulling = false;
    this.#pull();
  }

  #keep(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#heldBytes += costOf(chunk);
    if (this.#heldBytes > this.bounds.windowBytes) this.closeToOthers();
  }

  #dismiss(reader: BodyReader, error: unknown): void {
    reader.fail(error);
    this.leave(reader)?.catch(() => undefined);
  }

  #end(result: 'read' | 'failed' | 'left', chunks?: readonly Uint8Array[]): void {
    this.#isOver = true;
    this.#slowReaderTimer.stop();
    this.closeToOthers();
    this.onOver(result, chunks);
  }
}

function costOf(chunk: Uint8Array): number {
  return chunk.byteLength + chunkOverheadBytes;
}
