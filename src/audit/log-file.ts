import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  statSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { dirname } from 'node:path';
import { removeOutdated, rotatedName, type Retention } from './rotated-files.js';

export interface LogFileOptions extends Retention {
  readonly path: string;
  /** A file that would become larger is rotated; 0: never. */
  readonly maxBytes: number;
  /** Clock in ms since the epoch; default Date.now. */
  readonly now?: () => number;
}

/** Where lines go. */
export interface LogDestination {
  /**
   * The descriptor that so many bytes are to be written to now, and whether it is another file than before.
   *
   * @throws the system's error.
   */
  ready(bytes: number): { readonly descriptor: number; readonly isAnother: boolean };
  /** So many bytes were written to it. */
  wrote(bytes: number): void;
  /** A write failed: next time it is opened anew. `isMidLine`: the last line was not written whole. Never throws. */
  abandon(isMidLine: boolean): void;
  /** Never throws. */
  close(): void;
}

interface OpenFile {
  readonly descriptor: number;
  readonly inode: number;
  readonly isRegular: boolean;
}

/** Pipes never keep the process waiting; a regular file does not know the difference. */
const openFlags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** How often it is looked whether the path still leads to the open file (ms). */
const checkMs = 1000;

const lineEnd = 0x0a;

/**
 * The file that an audit log is written to, mode 0600, its directory made where it is missing. A full one is
 * renamed as lumberjack renames it, and a symbolic link to it is left; one that somebody else has renamed or removed is
 * left too, and opened anew. A file that takes another's place gets its mode and owner, so that whoever read the log
 * goes on reading. Devices and pipes are written to as they are.
 */
export class LogFile implements LogDestination {
  readonly #options: LogFileOptions;
  readonly #now: () => number;
  #open: OpenFile | undefined;
  /** Of the file that was open last. */
  #former: Stats | undefined;
  #size = 0;
  #checkedAt = 0;
  #isMidLine = false;
  #isAnother = false;

  /** @throws the system's error where it cannot be opened. */
  constructor(options: LogFileOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#reopen();
    this.#removeOutdated();
  }

  ready(bytes: number): { readonly descriptor: number; readonly isAnother: boolean } {
    let open = this.#open;
    if (open === undefined || this.#hasMoved(open)) open = this.#reopen();
    if (open.isRegular && this.#isFull(bytes)) open = this.#rotate();
    const isAnother = this.#isAnother;
    this.#isAnother = false;
    return { descriptor: open.descriptor, isAnother };
  }

  wrote(bytes: number): void {
    this.#size += bytes;
  }

  abandon(isMidLine: boolean): void {
    this.#isMidLine ||= isMidLine && this.#open?.isRegular === false;
    this.close();
  }

  close(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    try {
      if (open.isRegular) this.#former = attempt(() => fstatSync(open.descriptor)) ?? this.#former;
      closeSync(open.descriptor);
    } catch {
      // A full file server may say so now alone. Nothing can be mended, and the descriptor is gone all the same.
    }
  }

  #isFull(bytes: number): boolean {
    const { maxBytes } = this.#options;
    return maxBytes > 0 && this.#size > 0 && this.#size + bytes > maxBytes;
  }

  /** Whether another file is at the path by now, or none. */
  #hasMoved({ inode, isRegular }: OpenFile): boolean {
    const now = this.#now();
    if (!isRegular || Math.abs(now - this.#checkedAt) < checkMs) return false;
    this.#checkedAt = now;
    return statSync(this.#options.path, { throwIfNoEntry: false })?.ino !== inode;
  }

  #rotate(): OpenFile {
    const path = realpathSync(this.#options.path);
    let time = this.#now();
    while (existsSync(rotatedName(path, time))) time += 1;
    renameSync(path, rotatedName(path, time));
    const open = this.#reopen(path);
    this.#removeOutdated();
    return open;
  }

  /** `place` is where the file was, beyond all symbolic links where it was rotated. */
  #reopen(place = this.#options.path): OpenFile {
    this.close();
    const { path } = this.#options;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const descriptor = this.#replace(place) ?? openSync(path, openFlags, 0o600);
    const status = fstatSync(descriptor);
    const open = { descriptor, inode: status.ino, isRegular: status.isFile() };
    this.#open = open;
    this.#size = status.size;
    this.#checkedAt = this.#now();
    this.#isAnother = true;
    if (this.#isMidLine || endsMidLine(descriptor, status)) {
      this.#size += writeSync(descriptor, '\n');
      this.#isMidLine = false;
    }
    return open;
  }

  /** Undefined where no file was before, or one is there already: what others have put there is left as it is. */
  #replace(place: string): number | undefined {
    if (this.#former === undefined) return undefined;
    try {
      const descriptor = openSync(place, openFlags | constants.O_EXCL, 0o600);
      inherit(descriptor, this.#former);
      return descriptor;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined;
      throw error;
    }
  }

  #removeOutdated(): void {
    void removeOutdated(this.#options.path, this.#options, this.#now());
  }
}

/**
 * Gives a new file the mode and the owner of another as far as the process may, since a log is worth more than its owner.
 * Where it may not give the group, no group may read it.
 */
function inherit(descriptor: number, { uid, gid, mode }: Stats): void {
  const give = (owner: number): true | undefined =>
    attempt(() => {
      fchownSync(descriptor, owner, gid);
      return true;
    });
  const hasGroup = give(uid) ?? give(-1) ?? false;
  attempt(() => {
    fchmodSync(descriptor, mode & (hasGroup ? 0o777 : 0o707));
  });
}

function attempt<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** Whether the last one who wrote to it, perhaps a process that was killed, did not end his line. */
function endsMidLine(descriptor: number, status: Stats): boolean {
  if (!status.isFile() || status.size === 0) return false;
  const last = Buffer.alloc(1);
  return readSync(descriptor, last, 0, 1, status.size - 1) === 1 && last[0] !== lineEnd;
}
