import { createHash } from 'node:crypto';
import { FilesRead } from './files-read.js';

export type ReloadResult =
  { readonly result: 'success' } | { readonly result: 'failure'; readonly message: string };

export interface FollowedFilesOptions<Value> {
  /** Read together: what they say is one value. */
  readonly files: readonly string[];
  /** What the files' bytes say, in their order. Throws for what cannot be used, and names the file. */
  readonly parse: (contents: readonly FileContent[]) => Value | Promise<Value>;
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
export class UnreadableFileError extends Error {
  override readonly name = 'UnreadableFileError';
  readonly code = 'ERR_UNREADABLE_FILE';
}

interface Reading {
  /** All that was looked at, also where that failed. */
  readonly files: FilesRead;
  readonly contents: readonly FileContent[] | UnreadableFileError;
}

const defaultMaxBytes = 16 * 1024 * 1024;
const maxAttempts = 5;

/**
 * What files say while they may be replaced. A change is read and parsed whole before it takes the old value's
 * place; what cannot be used leaves the old value in force. Files are looked at in intervals, since a Secret's
 * mount changes by a symbolic link and network file systems tell nobody.
 */
export class FollowedFiles<Value> {
  readonly #options: FollowedFilesOptions<Value>;
  readonly #polling: NodeJS.Timeout;
  #files: FilesRead;
  /** Of what `current` was made of. */
  #digest: string;
  #current: Value;
  /** Why the last reading failed. */
  #failure: string | undefined;
  #looking: Promise<void> | undefined;
  #isClosed = false;

  private constructor(
    options: FollowedFilesOptions<Value>,
    first: { readonly files: FilesRead; readonly digest: string; readonly value: Value },
  ) {
    this.#options = options;
    this.#files = first.files;
    this.#digest = first.digest;
    this.#current = first.value;
    this.#polling = setInterval(() => {
      void this.look();
    }, options.pollMs ?? 1000).unref();
  }

  /** @throws UnreadableFileError, or what `parse` throws. */
  static async open<Value>(options: FollowedFilesOptions<Value>): Promise<FollowedFiles<Value>> {
    const { files, contents } = await readSettled(options);
    if (contents instanceof UnreadableFileError) throw contents;
    return new FollowedFiles(options, {
      files,
      digest: digestOf(contents),
      value: await options.parse(contents),
    });
  }

  /** The last value that could be used; the same object as long as the files' bytes are the same. */
  get current(): Value {
    return this.#current;
  }

  /** Looks whether a file has changed, now rather than at the next interval. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => {
        this.#failed(error);
      })
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#polling);
  }

  async #look(): Promise<void> {
    if (this.#isClosed || !(await this.#files.mayHaveChanged())) return;
    const { files, contents } = await readSettled(this.#options);
    this.#files = files;
    if (contents instanceof UnreadableFileError) throw contents;
    const digest = digestOf(contents);
    if (digest !== this.#digest) {
      const value = await this.#options.parse(contents);
      this.#current = value;
      this.#digest = digest;
    } else if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#tell({ result: 'success' });
  }

  #failed(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (message === this.#failure) return;
    this.#failure = message;
    this.#tell({ result: 'failure', message });
  }

  #tell(result: ReloadResult): void {
    if (this.#isClosed) return;
    try {
      this.#options.onReload?.(result);
    } catch (error) {
      process.emitWarning(`followed files: a callback failed: ${String(error)}`);
    }
  }
}

/** Read again where a file changed meanwhile: the others of its kind may be on their way. */
async function readSettled<Value>(options: FollowedFilesOptions<Value>): Promise<Reading> {
  for (let attempt = 1; ; attempt += 1) {
    const reading = await readOnce(options);
    if (attempt === maxAttempts || !(await reading.files.haveChanged())) return reading;
  }
}

async function readOnce<Value>({
  files: names,
  maxBytes = defaultMaxBytes,
}: FollowedFilesOptions<Value>): Promise<Reading> {
  const files = new FilesRead();
  const readings = await Promise.all(names.map((file) => files.read(file, maxBytes)));
  const contents: FileContent[] = [];
  for (const [at, reading] of readings.entries()) {
    const file = names[at] ?? '';
    if (reading.kind === 'fault') {
      return { files, contents: new UnreadableFileError(`${file} ${reading.fault}`) };
    }
    contents.push({ file, bytes: reading.bytes });
  }
  return { files, contents };
}

function digestOf(contents: readonly FileContent[]): string {
  const hash = createHash('sha256');
  for (const { bytes } of contents) hash.update(`${bytes.byteLength}:`).update(bytes);
  return hash.digest('base64');
}
