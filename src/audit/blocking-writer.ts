import { writeSync } from 'node:fs';
import { faultOf } from './audit-log-error.js';
import type { LineWriter, LineWriterObserver } from './line-writer.js';
import type { LogDestination } from './log-file.js';

/**
 * Hands each line to the operating system before it returns. A line that is not taken is lost, and the next tries
 * anew: the process does not end, nor stand still, for its audit log. (A pipe that nobody reads takes nothing.)
 */
export class BlockingWriter implements LineWriter {
  readonly #destination: LogDestination;
  readonly #observer: LineWriterObserver;
  #isOut = false;
  #isClosed = false;

  constructor(destination: LogDestination, observer: LineWriterObserver) {
    this.#destination = destination;
    this.#observer = observer;
  }

  write(line: string): void {
    if (this.#isClosed) {
      this.#observer.onLost(1, 'log');
      return;
    }
    const bytes = Buffer.from(line);
    let written = 0;
    try {
      const { descriptor } = this.#destination.ready(bytes.length);
      while (written < bytes.length) {
        const count = writeSync(descriptor, bytes, written);
        this.#destination.wrote(count);
        written += count;
      }
    } catch (error) {
      this.#destination.abandon(written > 0);
      this.#lost(faultOf(error));
      return;
    }
    if (!this.#isOut) return;
    this.#isOut = false;
    this.#observer.onRecovery();
  }

  close(): Promise<void> {
    if (!this.#isClosed) this.#destination.close();
    this.#isClosed = true;
    return Promise.resolve();
  }

  #lost(why: string): void {
    this.#observer.onLost(1, 'log');
    if (this.#isOut) return;
    this.#isOut = true;
    this.#observer.onOutage(why);
  }
}
