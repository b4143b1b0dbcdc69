import { write as writeToDescriptor } from 'node:fs';
import { promisify } from 'node:util';
import { faultOf } from './audit-log-error.js';
import type { LineWriter, LineWriterObserver, LosingPlugin } from './line-writer.js';
import type { LogDestination } from './log-file.js';

export interface BatchWriterOptions {
  /** So many lines wait at most. */
  readonly maxLines: number;
  /** How long lines are gathered before they are written (ms). Default 100. */
  readonly gatherMs?: number;
  /** How long after a failure it is tried again (ms). Default 1,000; a full pipe is tried again after `gatherMs`. */
  readonly retryMs?: number;
  /** How long `close` tries (ms). Default 2,000. */
  readonly closeTimeoutMs?: number;
}

/** So many characters wait at most, however few lines they are. */
const maxWaiting = 16 * 1024 * 1024;
/** So many are written at once. */
const maxBatch = 256 * 1024;

const lineEnd = 0x0a;

const write = promisify(writeToDescriptor);

/** Lines on their way to the file. */
interface Batch {
  readonly bytes: Buffer;
  readonly lines: number;
  readonly length: number;
  /** So many bytes are written. */
  written: number;
}

/**
 * Lets lines wait in memory and writes them together, off the event loop. While they cannot be written they go on
 * waiting, so that a short outage loses nothing; beyond the bounds of what may wait the newest are dropped.
 */
export class BatchWriter implements LineWriter {
  readonly #destination: LogDestination;
  readonly #observer: LineWriterObserver;
  readonly #options: Required<BatchWriterOptions>;
  #waiting: string[] = [];
  /** With those of the batch. */
  #lines = 0;
  #length = 0;
  #batch: Batch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isWriting = false;
  #isOut = false;
  /** `undefined` until it is to be closed; then what ends the wait. */
  #onEmpty: (() => void) | undefined;
  #closed: Promise<void> | undefined;
  /** What has not been written by now is lost. */
  #isOver = false;

  constructor(destination: LogDestination, observer: LineWriterObserver, options: BatchWriterOptions) {
    this.#destination = destination;
    this.#observer = observer;
    this.#options = { gatherMs: 100, retryMs: 1000, closeTimeoutMs: 2000, ...options };
  }

  write(line: string): void {
    const isFull = this.#lines >= this.#options.maxLines || this.#length + line.length > maxWaiting;
    if (isFull || this.#closed !== undefined) {
      this.#lost(1, 'buffered');
      return;
    }
    this.#waiting.push(line);
    this.#lines += 1;
    this.#length += line.length;
    if (!this.#isWriting && this.#timer === undefined) this.#writeIn(this.#options.gatherMs);
  }

  close(): Promise<void> {
    this.#closed ??= this.#writeOut();
    return this.#closed;
  }

  async #writeOut(): Promise<void> {
    if (this.#lines > 0) {
      await new Promise<void>((resolve) => {
        const deadline = setTimeout(resolve, this.#options.closeTimeoutMs);
        this.#onEmpty = () => {
          clearTimeout(deadline);
          resolve();
        };
        if (!this.#isWriting) this.#writeIn(0);
      });
    }
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (this.#lines > 0) this.#lost(this.#lines, 'log');
    // A write that hangs still needs it.
    if (!this.#isWriting) this.#destination.close();
  }

  #writeIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#writeAll();
    }, ms);
    // Nobody is kept running by an audit log; whoever stops in good order closes it.
    if (this.#closed === undefined && this.#onEmpty === undefined) this.#timer.unref();
  }

  /** Until nothing waits, something fails, or it is over. */
  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    try {
      while (!this.#isOver) {
        this.#batch ??= this.#nextBatch();
        if (this.#batch === undefined) break;
        await this.#writeSome(this.#batch);
        if (this.#batch.written === this.#batch.bytes.length) this.#finished(this.#batch);
      }
    } catch (error) {
      if (!this.#isOver) this.#failed(error);
      return;
    } finally {
      this.#isWriting = false;
      if (this.#isOver) this.#destination.close();
    }
    if (this.#isOver) return;
    this.#recovered();
    this.#onEmpty?.();
  }

  async #writeSome(batch: Batch): Promise<void> {
    const { descriptor, isAnother } = this.#destination.ready(batch.bytes.length - batch.written);
    // A line that was cut is written anew, and whole.
    if (isAnother && batch.written > 0) {
      batch.written = batch.bytes.lastIndexOf(lineEnd, batch.written - 1) + 1;
    }
    const { bytesWritten } = await write(descriptor, batch.bytes, batch.written);
    this.#destination.wrote(bytesWritten);
    batch.written += bytesWritten;
  }

  #nextBatch(): Batch | undefined {
    let lines = 0;
    let length = 0;
    for (const line of this.#waiting) {
      if (lines > 0 && length + line.length > maxBatch) break;
      lines += 1;
      length += line.length;
    }
    if (lines === 0) return undefined;
    const bytes = Buffer.from(this.#waiting.slice(0, lines).join(''));
    this.#waiting = this.#waiting.slice(lines);
    return { bytes, lines, length, written: 0 };
  }

  #finished({ lines, length }: Batch): void {
    this.#batch = undefined;
    this.#lines -= lines;
    this.#length -= length;
  }

  #failed(error: unknown): void {
    const why = faultOf(error);
    const { gatherMs, retryMs } = this.#options;
    const isFullPipe = why === 'EAGAIN';
    if (!isFullPipe) {
      this.#destination.abandon(isMidLine(this.#batch));
      this.#outage(why);
    }
    this.#writeIn(isFullPipe || this.#closed !== undefined ? gatherMs : retryMs);
  }

  #lost(count: number, plugin: LosingPlugin): void {
    this.#observer.onLost(count, plugin);
    this.#outage(plugin === 'buffered' ? 'too many events wait' : 'the server stops');
  }

  #outage(why: string): void {
    if (this.#isOut) return;
    this.#isOut = true;
    this.#observer.onOutage(why);
  }

  #recovered(): void {
    if (!this.#isOut) return;
    this.#isOut = false;
    this.#observer.onRecovery();
  }
}

function isMidLine(batch: Batch | undefined): boolean {
  return batch !== undefined && batch.written > 0 && batch.bytes[batch.written - 1] !== lineEnd;
}
