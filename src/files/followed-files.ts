import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { codedError } from '../coded-error.js';
import { messageOf } from '../error-class.js';
import { tell } from '../tell.js';
import { Looking, readSettled, type FilesRead } from './files-read.js';
import { aFunction, checkOptions, texts } from '../option-checks.js';

export type ReloadResult =
  { readonly result: 'success' } | { readonly result: 'failure'; readonly message: string };

export interface FollowedFilesOptions<Value> {
  /** Read together: what they say is one value. */
  readonly files: readonly string[];
  /** What the files' bytes say, in their order. Throws for what cannot be used, and names the file. */
  readonly parse: (contents: readonly FileContent[]) => Value | Promise<Value>;
  /** Whether an error of `parse` may mean that files are being replaced; it counts after three seconds of it. */
  readonly isUnsettled?: (error: unknown) => boolean;
  /** Told of each change, not of the first reading; the same failure is told once. */
  readonly onReload?: (result: ReloadResult) => void;
  /** The largest file that is read (bytes). Default 16 MiB. */
  readonly maxBytes?: number;
  /** How often the files are looked at (ms). Default 1,000. */
  readonly pollMs?: number;
}

export interface FileContent {
  readonly file: string;
  readonly bytes: Buffer;
}

/** A file that cannot be read; the message names it. */
export class UnreadableFileError extends codedError('UnreadableFileError', 'ERR_UNREADABLE_FILE') {}

/** How long files that do not fit together yet are waited for (ms). */
const settleMs = 3000;
const retryMs = 100;

interface Reading {
  readonly contents: readonly FileContent[];
  readonly digest: string;
}

/**
 * What files say while they may be replaced. A change is read and parsed whole before it takes the old value's
 * place; what cannot be used leaves the old value in force. Files are looked at in intervals, since a Secret's
 * mount changes by a symbolic link and network file systems tell of no change.
 */
export class FollowedFiles<Value> extends Looking {
  readonly #options: FollowedFilesOptions<Value>;
  #files: FilesRead;
  /** Of what `current` was made of. */
  #digest: string;
  #current: Value;
  /** Since when the files have not fitted together, until that is told (see `performance.now`). */
  #unsettledSince: number | undefined;
  /** Why the last reading failed. */
  #failure: string | undefined;

  private constructor(options: FollowedFilesOptions<Value>, files: FilesRead, digest: string, value: Value) {
    super(options.pollMs);
    this.#options = options;
    this.#files = files;
    this.#digest = digest;
    this.#current = value;
  }

  /** @throws UnreadableFileError, or what `parse` throws. */
  static async open<Value>(options: FollowedFilesOptions<Value>): Promise<FollowedFiles<Value>> {
    checkOptions(options, { files: texts, parse: aFunction });
    const deadline = performance.now() + settleMs;
    for (;;) {
      const { files, result } = await readSettled((read) => readAll(read, options));
      if (result instanceof UnreadableFileError) throw result;
      try {
        return new FollowedFiles(options, files, result.digest, await options.parse(result.contents));
      } catch (error) {
        if (options.isUnsettled?.(error) !== true || performance.now() > deadline) throw error;
        await delay(retryMs);
      }
    }
  }

  /** The last value that could be used; the same object as long as the files' bytes are the same. */
  get current(): Value {
    return this.#current;
  }

  protected override lookOnce(): Promise<void> {
    return this.#readAnew().catch((error: unknown) => {
      this.#failed(error);
    });
  }

  async #readAnew(): Promise<void> {
    if (this.isClosed) return;
    if (!(await this.#files.mayHaveChanged()) && this.#unsettledSince === undefined) return;
    const { files, result } = await readSettled((read) => readAll(read, this.#options));
    this.#files = files;
    if (result instanceof UnreadableFileError) throw result;
    const isUnchanged = result.digest === this.#digest;
    if (!isUnchanged) {
      this.#current = await this.#options.parse(result.contents);
      this.#digest = result.digest;
    }
    this.#unsettledSince = undefined;
    if (isUnchanged && this.#failure === undefined) return;
    this.#failure = undefined;
    this.#tell({ result: 'success' });
  }

  #failed(error: unknown): void {
    if (this.#options.isUnsettled?.(error) === true) {
      this.#unsettledSince ??= performance.now();
      if (performance.now() - this.#unsettledSince < settleMs) return;
    }
    this.#unsettledSince = undefined;
    const message = messageOf(error);
    if (message === this.#failure) return;
    this.#failure = message;
    this.#tell({ result: 'failure', message });
  }

  #tell(result: ReloadResult): void {
    if (!this.isClosed) tell('followed files', this.#options.onReload, result);
  }
}

async function readAll<Value>(
  files: FilesRead,
  { files: names, maxBytes = 16 * 1024 * 1024 }: FollowedFilesOptions<Value>,
): Promise<Reading | UnreadableFileError> {
  const readings = await Promise.all(names.map((file) => files.read(file, maxBytes)));
  const contents: FileContent[] = [];
  const hash = createHash('sha256');
  for (const [at, reading] of readings.entries()) {
    const file = names[at] ?? '';
    if (reading.kind === 'fault') return new UnreadableFileError(`${file} ${reading.fault}`);
    contents.push({ file, bytes: reading.bytes });
    hash.update(`${reading.bytes.byteLength}:`).update(reading.bytes);
  }
  return { contents, digest: hash.digest('base64') };
}
