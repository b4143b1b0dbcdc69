import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { systemCode } from '../error-class.js';

export type FileReading =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  /** Without the file's name: `cannot be read: ENOENT`. */
  | { readonly kind: 'fault'; readonly fault: string };

/** File systems tell two changes apart that are this far from each other (ms); FAT is the worst of them. */
const clockStepMs = 2_000;

const maxAttempts = 5;

/** What `read` makes of files, read again where one changed meanwhile: the rest of it may be on its way. */
export async function readSettled<Result>(
  read: (files: FilesRead) => Promise<Result>,
): Promise<{ readonly files: FilesRead; readonly result: Result }> {
  for (let attempt = 1; ; attempt += 1) {
    const files = new FilesRead();
    const result = await read(files);
    if (attempt === maxAttempts || !(await files.haveChanged())) return { files, result };
  }
}

/** Looks at something in intervals that keep no process alive; one look serves all who ask meanwhile. */
export abstract class Looking {
  protected isClosed = false;
  readonly #polling: NodeJS.Timeout;
  #look: Promise<void> | undefined;

  protected constructor(pollMs = 1000) {
    this.#polling = setInterval(() => void this.look(), pollMs).unref();
  }

  /** Looks whether something has changed, now rather than at the next interval. Never rejects. */
  look(): Promise<void> {
    this.#look ??= this.lookOnce().finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  close(): void {
    this.isClosed = true;
    clearInterval(this.#polling);
  }

  /** Never rejects. */
  protected abstract lookOnce(): Promise<void>;
}

/** Files as they were when they were read, and whether they still are. */
export class FilesRead {
  readonly #stamps = new Map<string, string>();
  #readAnewUntil = 0;

  /** At most `maxBytes` of a regular file. A file that is missing is remembered too: it may appear. */
  async read(file: string, maxBytes: number): Promise<FileReading> {
    try {
      // Non-blocking: opening a pipe without a writer would wait for ever.
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
      const code = systemCode(error);
      this.#remember(file, code, 0);
      return fault(`cannot be read: ${code}`);
    }
  }

  async haveChanged(): Promise<boolean> {
    const stamps = await Promise.all([...this.#stamps.keys()].map(stampNow));
    return [...this.#stamps.values()].some((stamp, at) => stamp !== stamps[at]);
  }

  /** Whether they may have: a file that was quite new when it was read may have changed and look as it did. */
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
    return systemCode(error);
  }
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

function fault(text: string): FileReading {
  return { kind: 'fault', fault: text };
}
