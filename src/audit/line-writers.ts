import { write as writeToDescriptor, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { systemCode } from '../error-class.js';
import { tell } from '../tell.js';
import { inTime } from '../timer.js';
import type { LogDestination } from './log-file.js';

/** Why lines are lost, by kube-apiserver's names: writing failed (`log`), or the buffer was full (`buffered`). */
export type LosingPlugin = 'log' | 'buffered';

export interface LineWriterObserver {
  readonly onLost?: (count: number, plugin: LosingPlugin) => void;
  /** Lines cannot be written, and wait or are lost. Called once until `onRecovery`. */
  readonly onOutage?: (why: string) => void;
  readonly onRecovery?: () => void;
}

/** Writes lines that end in a line feed, and reports each outage once. */
export abstract class LineWriter {
  #isOut = false;

  constructor(
    protected readonly destination: LogDestination,
    private readonly observer: LineWriterObserver,
  ) {}

  /** Never throws. */
  abstract write(line: string): void;

  /** Resolves when all waiting lines are written or lost. */
  abstract close(): Promise<void>;

  protected beginOutage(why: string): void {
    if (!this.#isOut) tell('AuditLog', this.observer.onOutage, why);
    this.#isOut = true;
  }

  protected endOutage(): void {
    if (this.#isOut) tell('AuditLog', this.observer.onRecovery);
    this.#isOut = false;
  }

  protected lose(count: number, plugin: LosingPlugin): void {
    tell('AuditLog', this.observer.onLost, count, plugin);
  }
}

/**
 * Writes each line before it returns. A line that cannot be written is lost, and the next is tried again: neither a
 * full disk nor an unread pipe ends the process or blocks it.
 */
export class BlockingWriter extends LineWriter {
  #isClosed = false;

  write(line: string): void {
    if (this.#isClosed) {
      this.lose(1, 'log');
      return;
    }
    const bytes = Buffer.from(line);
    let written = 0;
    try {
      const { descriptor } = this.destination.ready(bytes.length);
      while (written < bytes.length) {
        const count = writeSync(descriptor, bytes, written);
        this.destination.wrote(count);
        written += count;
      }
      this.endOutage();
    } catch (error) {
      this.destination.abandon(written > 0);
      this.lose(1, 'log');
      this.beginOutage(systemCode(error));
    }
  }

  close(): Promise<void> {
    if (!this.#isClosed) this.destination.close();
    this.#isClosed = true;
    return Promise.resolve();
  }
}

export interface BatchWriterOptions {
  readonly maxLines: number;
  /** How long lines are gathered before they are written (ms). Default 100. */
  readonly gatherMs?: number;
  /** How long after a failure to try again (ms). Default 1,000; a full pipe is tried again after `gatherMs`. */
  readonly retryMs?: number;
  /** How long `close` tries (ms). Default 2,000. */
  readonly closeTimeoutMs?: number;
}

/** The most characters that may wait, however few lines they are. */
const maxWaiting = 16 * 1024 * 1024;
/** The most characters written at once. */
const maxBatch = 256 * 1024;
const lineEnd = 0x0a;
const write = promisify(writeToDescriptor);

interface Batch {
  readonly bytes: Buffer;
  readonly lines: number;
  readonly length: number;
  /** How many of their bytes are written. */
  written: number;
}

/**
 * Gathers lines in memory and writes them together, off the event loop. While writing fails they keep waiting, so a
 * short outage loses nothing; beyond the bounds the newest are dropped.
 */
export class BatchWriter extends LineWriter {
  readonly #options: Required<BatchWriterOptions>;
  #waiting: string[] = [];
  /** Includes those of the batch. */
  #lines = 0;
  #length = 0;
  #batch: Batch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isWriting = false;
  #closed: Promise<void> | undefined;
  /** What ends the wait of `close`. */
  #onEmpty: (() => void) | undefined;
  /** Whatever has not been written by then is lost. */
  #isOver = false;

  constructor(destination: LogDestination, observer: LineWriterObserver, options: BatchWriterOptions) {
    super(destination, observer);
    this.#options = { gatherMs: 100, retryMs: 1000, closeTimeoutMs: 2000, ...options };
  }

  write(line: string): void {
    const isFull = this.#lines >= this.#options.maxLines || this.#length + line.length > maxWaiting;
    if (isFull || this.#closed !== undefined) {
      this.lose(1, 'buffered');
      this.beginOutage('too many events wait');
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
      const empty = new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
      });
      if (!this.#isWriting) this.#writeIn(0);
      await inTime(empty, this.#options.closeTimeoutMs);
    }
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (this.#lines > 0) {
      this.lose(this.#lines, 'log');
      this.beginOutage('the server stops');
    }
    // A write that hangs still needs it.
    if (!this.#isWriting) this.destination.close();
  }

  #writeIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#writeAll();
    }, ms);
    // An audit log keeps no process running, unless it is being closed.
    if (this.#onEmpty === undefined) this.#timer.unref();
  }

  /** Until nothing waits, writing fails, or the log is closed. */
  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    try {
      while (!this.#isOver) {
        this.#batch ??= this.#nextBatch();
        if (this.#batch === undefined) break;
        await this.#writeSome(this.#batch);
      }
      if (!this.#isOver) this.endOutage();
    } catch (error) {
      if (!this.#isOver) this.#failed(error);
      return;
    } finally {
      this.#isWriting = false;
      if (this.#isOver) this.destination.close();
    }
    this.#onEmpty?.();
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
    return { bytes: Buffer.from(this.#waiting.splice(0, lines).join('')), lines, length, written: 0 };
  }

  async #writeSome(batch: Batch): Promise<void> {
    const { descriptor, isAnother } = this.destination.ready(batch.bytes.length - batch.written);
    // A line written in part is written again whole.
    if (isAnother && batch.written > 0) {
      batch.written = batch.bytes.lastIndexOf(lineEnd, batch.written - 1) + 1;
    }
    const { bytesWritten } = await write(descriptor, batch.bytes, batch.written);
    this.destination.wrote(bytesWritten);
    batch.written += bytesWritten;
    if (batch.written < batch.bytes.length) return;
    this.#batch = undefined;
    this.#lines -= batch.lines;
    this.#length -= batch.length;
  }

  #failed(error: unknown): void {
    const why = systemCode(error);
    const { gatherMs, retryMs } = this.#options;
    const isFullPipe = why === 'EAGAIN';
    if (!isFullPipe) {
      const { written = 0, bytes } = this.#batch ?? {};
      this.destination.abandon(written > 0 && bytes?.[written - 1] !== lineEnd);
      this.beginOutage(why);
    }
    this.#writeIn(isFullPipe || this.#closed !== undefined ? gatherMs : retryMs);
  }
}
