import { BodySource } from '../body.js';
import type { StreamedExposition } from '../exposition.js';
import { BodyReader, SlowReaderTimer, type ReadBody } from './body-reader.js';
import { ChunkWindow } from './chunk-window.js';
import { LaggingScraperError } from '../exposition-errors.js';

interface SharedBodyOptions {
  /** How far the fastest reader may be ahead of the slowest (bytes); after that the body cannot be joined. */
  readonly windowBytes: number;
  /** How long a reader may delay others in total (ms). */
  readonly laggardTimeoutMs: number;
  /** Called once, when the body was read, has failed or was left by all readers; with all chunks if read and kept. */
  readonly onOver: (result: 'read' | 'failed' | 'left', chunks?: readonly Uint8Array[]) => void;
}

/**
 * One body for many readers, read at the pace of the fastest, but at most a window ahead of the slowest. A reader that
 * delays others for too long is disconnected. The body is closed when its last reader leaves; if it fails, it fails for
 * all.
 */
export class SharedBody implements ReadBody {
  readonly #source: BodySource;
  readonly #options: SharedBodyOptions;
  readonly #window = new ChunkWindow();
  readonly #readers = new Set<BodyReader>();
  readonly #slowReaderTimer: SlowReaderTimer;
  #isPulling = false;
  #isOver = false;

  constructor(body: StreamedExposition['body'], options: SharedBodyOptions) {
    this.#source = new BodySource(body);
    this.#options = options;
    this.#slowReaderTimer = new SlowReaderTimer(
      options.laggardTimeoutMs,
      () => [...this.#readers].filter(({ position }) => position === this.#window.first),
      (reader) => {
        this.#dismiss(reader, new LaggingScraperError());
      },
    );
  }

  /** Whether another reader would get all of it. */
  get isJoinable(): boolean {
    return this.#window.isWhole && !this.#isOver;
  }

  /** Adds a reader; only while the body is joinable. */
  enter(signal: AbortSignal | undefined): BodyReader {
    const reader = new BodyReader(this, signal);
    this.#readers.add(reader);
    this.#window.enter();
    return reader;
  }

  /** Keeps no more than the present readers need. */
  closeToOthers(): void {
    this.#window.dropRead();
  }

  read(reader: BodyReader): void {
    const chunk = this.#window.at(reader.position);
    if (chunk !== undefined) {
      reader.give(chunk);
      this.#move(reader, () => {
        this.#window.advance(reader.position);
        reader.position += 1;
      });
    } else if (this.#isOver) {
      reader.finish();
      this.leave(reader)?.catch(() => undefined);
    } else this.#pull();
  }

  leave(reader: BodyReader): Promise<void> | undefined {
    if (!this.#readers.delete(reader)) return undefined;
    this.#move(reader, () => {
      this.#window.leave(reader.position);
    });
    if (this.#readers.size > 0) return undefined;
    this.#slowReaderTimer.stop();
    this.#window.clear();
    if (this.#isOver) return undefined;
    this.#end('left');
    return this.#source.close();
  }

  /** When the last of the slowest moves, those that wait for it may go on. */
  #move(reader: BodyReader, move: () => void): void {
    const before = this.#window.first;
    move();
    if (this.#window.first === before) return;
    this.#slowReaderTimer.stop(reader);
    this.#pull();
  }

  #pull(): void {
    if (this.#isPulling || this.#isOver || ![...this.#readers].some(({ isWaiting }) => isWaiting)) return;
    if (!this.#window.isWhole && this.#window.heldBytes >= this.#options.windowBytes) {
      this.#slowReaderTimer.start();
      return;
    }
    this.#isPulling = true;
    this.#source.next().then(
      (next) => {
        if (this.#isOver) return;
        if (next.done === true)
          this.#end('read', this.#window.isWhole ? [...this.#window.chunks] : undefined);
        else this.#keep(next.value);
        for (const reader of this.#readers) if (reader.isWaiting) this.read(reader);
        this.#isPulling = false;
      },
      (error: unknown) => {
        if (this.#isOver) return;
        this.#end('failed');
        // At once, also for readers that are behind: none of them can get it whole.
        for (const reader of this.#readers) this.#dismiss(reader, error);
      },
    );
  }

  #keep(chunk: Uint8Array): void {
    this.#window.append(chunk);
    if (this.#window.isWhole && this.#window.heldBytes > this.#options.windowBytes) this.#window.dropRead();
  }

  #dismiss(reader: BodyReader, error: unknown): void {
    reader.fail(error);
    this.leave(reader)?.catch(() => undefined);
  }

  #end(result: 'read' | 'failed' | 'left', chunks?: readonly Uint8Array[]): void {
    this.#isOver = true;
    this.#slowReaderTimer.stop();
    this.#window.dropRead();
    this.#options.onOver(result, chunks);
  }
}
