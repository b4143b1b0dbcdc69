import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';

export type FileReading =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  /** Without the file's name: `cannot be read: ENOENT`. */
  | { readonly kind: 'fault'; readonly fault: string };

/** File systems tell two changes apart that are this far from each other (ms); FAT is the worst of them. */
const clockStepMs = 2_000;

/** Files as they were when they were read, and whether they still are. */
export class FilesRead {
  readonly #stamps = new Map<string, string>();
  #readAnewUntil = 0;

  /** At most `maxBytes` of a regular file. A file that is missing is remembered too: it may appear. */
  async read(file: string, maxBytes: number): Promise<FileReading> {
    try {
      // Non-blocking: opening a pipe that nobody writes to would wait for ever.
      const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const status = await handle.stat({ bigint: true });
        this.#remember(file, stampOf(status), Number(status.ctimeMs));
        if (!status.isFile()) return fault('is no regular file');
        if (status.size > maxBytes) return fault(`is larger than ${maxBytes} bytes`);
        return { kind: 'bytes', bytes: await handle.readFile() };
      } finally {
        await handle.close();
      }
    } catch (error) {
      this.#remember(file, codeOf(error), 0);
      return fault(`cannot be read: ${codeOf(error)}`);
    }
  }

  /** Whether any of the files is another than the one that was read. */
  async haveChanged(): Promise<boolean> {
    const stamps = await Promise.all([...this.#stamps.keys()].map(stampNow));
    return [...this.#stamps.values()].some((stamp, at) => stamp !== stamps[at]);
  }

  /** The same with doubt: a file that was quite new when it was read may have changed and look as it did. */
  async mayHaveChanged(): Promise<boolean> {
    return Date.now() < this.#readAnewUntil || this.haveChanged();
  }

  #remember(file: string, stamp: string, changedAt: number): void {
    this.#stamps.set(file, stamp);
    this.#readAnewUntil = Math.max(this.#readAnewUntil, changedAt + clockStepMs);
  }
}

async function stampNow(file: string): Promise<string> {
  try {
    return stampOf(await stat(file, { bigint: true }));
  } catch (error) {
    return codeOf(error);
  }
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

/** Whether there was no such file, rather than one that cannot be read. */
export function isMissing(reading: FileReading): boolean {
  return reading.kind === 'fault' && reading.fault === 'cannot be read: ENOENT';
}

function fault(text: string): FileReading {
  return { kind: 'fault', fault: text };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
