import type { StreamedExposition } from '../exposition.js';
import { BodyReader, type ReadBody } from './body-reader.js';
import { BodySource } from './body-source.js';
import { ChunkWindow } from './chunk-window.js';
import { HoldUp } from './hold-up.js';
import { LaggingScraperError } from '../exposition-errors.js';

export interface SharedBodyOptions {
  /** How far the fastest reader may be before the slowest (bytes); a longer body is not joined any more. */
  readonly windowBytes: number;
  /** For how long a reader may hold up others, all in all (ms). */
  readonly laggardTimeoutMs: number;
  /** Told once that it is read, has failed or was left by all; in the first case with all chunks, if they are kept. */
  readonly onOver: (result: 'read' | 'failed' | 'left', chunks?: readonly Uint8Array[]) => void;
}

/**
 * One body for many readers, read as fast as the fastest wants, no more than a window before the slowest. Who holds
 * up others for too long is cut. The body is closed when its last reader is gone; where it fails, it fails for all.
 */
export class SharedBody implements ReadBody {
  readonly #source: BodySource;
  readonly #options: SharedBodyOptions;
  readonly #window = new ChunkWindow();
  readonly #readers = new Set<BodyReader>();
  readonly #holdUp: HoldUp<BodyReader>;
  #isPulling = false;
  #isOver = false;

  constructor(body: StreamedExposition['body'], options: SharedBodyOptions) {
    this.#source = new BodySource(body);
    this.#options = options;
    this.#holdUp = new HoldUp(
      options.laggardTimeoutMs,
      () => [...this.#readers].filter(({ position }) => position === this.#window.first),
      (laggard) => {
        laggard.fail(new LaggingScraperError());
        this.leave(laggard)?.catch(() => undefined);
      },
    );
  }

  /** Whether another reader would get all of it. */
  get isJoinable(): boolean {
    return this.#window.isWhole && !this.#isOver;
  }

  /** Only while it is joinable. */
  enter(signal: AbortSignal | undefined): BodyReader {
    const reader = new BodyReader(this, signal);
    this.#readers.add(reader);
    this.#window.enter();
    return reader;
  }

  /** Keeps no more than its readers need. */
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
    this.#holdUp.end();
    this.#window.clear();
    if (this.#isOver) return undefined;
    this.#over('left');
    return this.#source.close();
  }

  /** Where the slowest goes on, those who wait for him may. */
  #move(reader: BodyReader, move: () => void): void {
    const before = this.#window.first;
    move();
    if (this.#window.first === before) return;
    this.#holdUp.end(reader);
    this.#pull();
  }

  #pull(): void {
    if (this.#isPulling || this.#isOver || ![...this.#readers].some(({ isWaiting }) => isWaiting)) return;
    if (!this.#window.isWhole && this.#window.heldBytes >= this.#options.windowBytes) {
      this.#holdUp.begin();
      return;
    }
    this.#isPulling = true;
    this.#source.next().then(
      (next) => {
        if (this.#isOver) return;
        if (next.done === true) this.#ended();
        else this.#came(next.value);
      },
      (error: unknown) => {
        if (!this.#isOver) this.#failed(error);
      },
    );
  }

  #came(chunk: Uint8Array): void {
    this.#window.append(chunk);
    if (this.#window.isWhole && this.#window.heldBytes > this.#options.windowBytes) this.#window.dropRead();
    for (const reader of this.#readers) if (reader.isWaiting) this.read(reader);
    this.#isPulling = false;
  }

  #ended(): void {
    this.#over('read', this.#window.isWhole ? [...this.#window.chunks] : undefined);
    for (const reader of this.#readers) if (reader.isWaiting) this.read(reader);
  }

  /** At once also for those who have not read all that came: none of them can get it whole. */
  #failed(error: unknown): void {
    this.#over('failed');
    for (const reader of this.#readers) {
      reader.fail(error);
      this.leave(reader)?.catch(() => undefined);
    }
  }

  #over(result: 'read' | 'failed' | 'left', chunks?: readonly Uint8Array[]): void {
    this.#isOver = true;
    this.#holdUp.end();
    this.#window.dropRead();
    this.#options.onOver(result, chunks);
  }
}
