import { messageOf } from '../error-class.js';
import { tell } from '../tell.js';
import { FilesRead, Looking, readSettled, type FileReading } from './files-read.js';
import { UnreadableFileError } from './followed-files.js';
import { aFunction, aText, checkOptions } from '../option-checks.js';

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

/**
 * A file whose presence says something, looked at in intervals as `FollowedFiles` does. A file that turns out to be
 * unusable takes the old value's place: it was put there for a change, and which one is not known.
 */
export class OptionalFile<Value> extends Looking {
  readonly #options: OptionalFileOptions<Value>;
  #files = new FilesRead();
  /** What `current` was made of. */
  #made: string | undefined;
  #current: OptionalValue<Value> = { kind: 'absent' };

  private constructor(options: OptionalFileOptions<Value>) {
    super(options.pollMs);
    this.#options = options;
  }

  /** @throws UnreadableFileError where there is something that is no regular file, such as a directory. */
  static async open<Value>(options: OptionalFileOptions<Value>): Promise<OptionalFile<Value>> {
    checkOptions(options, { file: aText, parse: aFunction });
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

  protected override async lookOnce(): Promise<void> {
    if (!this.isClosed && (await this.#files.mayHaveChanged())) await this.#read();
  }

  async #read(): Promise<void> {
    const { file, maxBytes = 1024 * 1024 } = this.#options;
    const { files, result } = await readSettled((read) => read.read(file, maxBytes));
    this.#files = files;
    if (!this.isClosed) this.#become(result);
  }

  #become(reading: FileReading): void {
    const made = reading.kind === 'bytes' ? `bytes ${reading.bytes.toString('base64')}` : reading.fault;
    if (made === this.#made) return;
    this.#made = made;
    const before = this.#current;
    const now = this.#valueOf(reading);
    this.#current = now;
    if (now.kind === 'fault' && before.kind === 'fault' && now.message === before.message) return;
    tell('a followed file', this.#options.onChange, now);
  }

  #valueOf(reading: FileReading): OptionalValue<Value> {
    const { file, parse } = this.#options;
    if (reading.kind === 'fault' && reading.fault === 'cannot be read: ENOENT') return { kind: 'absent' };
    if (reading.kind === 'fault') return { kind: 'fault', message: `${file} ${reading.fault}` };
    try {
      return { kind: 'present', value: parse(reading.bytes) };
    } catch (error) {
      return { kind: 'fault', message: messageOf(error) };
    }
  }
}
