import { FilesRead, isMissing, type FileReading } from './files-read.js';
import { UnreadableFileError } from './followed-files.js';

/** What a file says that may be there or not. */
export type OptionalValue<Value> =
  | { readonly kind: 'absent' }
  | { readonly kind: 'present'; readonly value: Value }
  /** It is there, but cannot be read or used; the message names the file. */
  | { readonly kind: 'fault'; readonly message: string };

export interface OptionalFileOptions<Value> {
  readonly file: string;
  /** Throws for what cannot be used, and names the file. */
  readonly parse: (bytes: Buffer) => Value;
  /** Told of the first reading and of each change; the same fault is told once. */
  readonly onChange?: (now: OptionalValue<Value>) => void;
  /** The largest file that is read (bytes). Default 1 MiB. */
  readonly maxBytes?: number;
  /** How often the file is looked at (ms). Default 1,000. */
  readonly pollMs?: number;
}

const maxAttempts = 5;

/**
 * A file whose presence says something, looked at in intervals as `FollowedFiles` does. A file that turns out to be
 * unusable takes the old value's place: whoever put it there wanted a change, and only he knows which.
 */
export class OptionalFile<Value> {
  readonly #options: OptionalFileOptions<Value>;
  readonly #polling: NodeJS.Timeout;
  #files = new FilesRead();
  /** What `current` was made of. */
  #made: string | undefined;
  #current: OptionalValue<Value> = { kind: 'absent' };
  #looking: Promise<void> | undefined;
  #isClosed = false;

  private constructor(options: OptionalFileOptions<Value>) {
    this.#options = options;
    this.#polling = setInterval(() => {
      void this.look();
    }, options.pollMs ?? 1000).unref();
  }

  /** @throws UnreadableFileError where there is something that is no regular file, such as a directory. */
  static async open<Value>(options: OptionalFileOptions<Value>): Promise<OptionalFile<Value>> {
    const { file } = options;
    const first = await new FilesRead().read(file, 0);
    if (first.kind === 'fault' && first.fault === 'is no regular file') {
      throw new UnreadableFileError(`${file} ${first.fault}`);
    }
    const opened = new OptionalFile(options);
    await opened.#read();
    return opened;
  }

  get current(): OptionalValue<Value> {
    return this.#current;
  }

  /** Looks whether the file has changed, now rather than at the next interval. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#polling);
  }

  async #look(): Promise<void> {
    if (!this.#isClosed && (await this.#files.mayHaveChanged())) await this.#read();
  }

  async #read(): Promise<void> {
    const { file, maxBytes = 1024 * 1024 } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      this.#files = new FilesRead();
      const reading = await this.#files.read(file, maxBytes);
      // Read again where it changed meanwhile: the rest of it may be on its way.
      if (attempt < maxAttempts && (await this.#files.haveChanged())) continue;
      if (!this.#isClosed) this.#become(reading);
      return;
    }
  }

  #become(reading: FileReading): void {
    const made = reading.kind === 'bytes' ? `bytes ${reading.bytes.toString('base64')}` : reading.fault;
    if (made === this.#made) return;
    this.#made = made;
    const now = this.#valueOf(reading);
    const { current } = this;
    this.#current = now;
    if (now.kind === 'fault' && current.kind === 'fault' && now.message === current.message) return;
    try {
      this.#options.onChange?.(now);
    } catch (error) {
      process.emitWarning(`followed file: a callback failed: ${String(error)}`);
    }
  }

  #valueOf(reading: FileReading): OptionalValue<Value> {
    const { file, parse } = this.#options;
    if (isMissing(reading)) return { kind: 'absent' };
    if (reading.kind === 'fault') return { kind: 'fault', message: `${file} ${reading.fault}` };
    try {
      return { kind: 'present', value: parse(reading.bytes) };
    } catch (error) {
      return { kind: 'fault', message: error instanceof Error ? error.message : String(error) };
    }
  }
}
