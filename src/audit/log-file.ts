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
import { codeOf } from '../error-class.js';
import { dirname, basename, extname, join } from 'node:path';
import { readdir, realpath, unlink } from 'node:fs/promises';

export interface Retention {
  /** How many days old log files are kept; 0: forever. */
  readonly maxAgeDays: number;
  /** How many old log files are kept; 0: all. */
  readonly maxBackups: number;
}

export interface LogFileOptions extends Retention {
  readonly path: string;
  /** A file is rotated before it grows larger than this; 0: never. */
  readonly maxBytes: number;
  /** Clock in ms since the epoch; default Date.now. */
  readonly now?: () => number;
}

export interface LogDestination {
  /** The descriptor for the next write of so many bytes, and whether it is another file. @throws the system's error. */
  ready(bytes: number): { readonly descriptor: number; readonly isAnother: boolean };
  wrote(bytes: number): void;
  /** A write failed: the file is opened again next time. `isMidLine`: the last line is incomplete. Never throws. */
  abandon(isMidLine: boolean): void;
  /** Never throws. */
  close(): void;
}

interface OpenFile {
  readonly descriptor: number;
  readonly inode: number;
  readonly isRegular: boolean;
}

/** A pipe then never blocks the process; a regular file is not affected. */
const openFlags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** How often to check whether the path still leads to the open file (ms). */
const checkMs = 1000;

const lineEnd = 0x0a;

/**
 * The file that an audit log is written to, mode 0600; a missing directory is made. A full file is renamed as lumberjack
 * renames it, and a symbolic link to it stays. If another program has renamed or removed the file, a new one is opened.
 * A new file gets the mode and owner of the previous one, so that its readers can read on. Devices and pipes are written
 * to directly.
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
    void this.#removeOutdated();
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
      // A full file server may report it only now. Nothing can be done, and the descriptor is closed anyway.
    }
  }

  #isFull(bytes: number): boolean {
    const { maxBytes } = this.#options;
    return maxBytes > 0 && this.#size > 0 && this.#size + bytes > maxBytes;
  }

  /** Whether the path now leads to another file, or to none. */
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
    void this.#removeOutdated();
    return open;
  }

  /** `place` is where the file was; if it was rotated, with symbolic links resolved. */
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

  /** Undefined if there was no file before, or if another program has already put one there, which is left alone. */
  #replace(place: string): number | undefined {
    if (this.#former === undefined) return undefined;
    try {
      const descriptor = openSync(place, openFlags | constants.O_EXCL, 0o600);
      inherit(descriptor, this.#former);
      return descriptor;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return undefined;
      throw error;
    }
  }

  /** A file that cannot be removed is tried again next time. */
  async #removeOutdated(): Promise<void> {
    const { path, maxAgeDays, maxBackups } = this.#options;
    if (maxAgeDays === 0 && maxBackups === 0) return;
    const now = this.#now();
    // Next to the file itself rather than to a symbolic link to it.
    const file = await realpath(path).catch(() => path);
    const directory = dirname(file);
    const names = await readdir(directory).catch(() => []);
    for (const name of outdated(file, names, this.#options, now)) {
      await unlink(join(directory, name)).catch(() => undefined);
    }
  }
}

/** Gives a new file another's mode and owner, as far as the process may; without the group, no group may read it. */
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

/** Whether the last line is incomplete, perhaps because its writer was killed. */
function endsMidLine(descriptor: number, status: Stats): boolean {
  if (!status.isFile() || status.size === 0) return false;
  const last = Buffer.alloc(1);
  return readSync(descriptor, last, 0, 1, status.size - 1) === 1 && last[0] !== lineEnd;
}

const dayMs = 24 * 3_600_000;

/** Where a full file goes: `audit.log` to `audit-2006-01-02T15-04-05.000.log`, in UTC, as lumberjack names it. */
export function rotatedName(path: string, now: number): string {
  const extension = extname(path);
  const time = new Date(now).toISOString().slice(0, -1).replaceAll(':', '-');
  return join(dirname(path), `${basename(path, extension)}-${time}${extension}`);
}

/** When a file was rotated, by its name; undefined if it is not a rotated file of `path`. */
export function rotatedAt(path: string, name: string): number | undefined {
  const extension = extname(path);
  const prefix = `${basename(path, extension)}-`;
  if (!name.startsWith(prefix) || !name.endsWith(extension)) return undefined;
  const stamp = name.slice(prefix.length, name.length - extension.length);
  if (!/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}$/.test(stamp)) return undefined;
  const time = Date.parse(`${stamp.replace(/-(\d\d)-(\d\d\.)/, ':$1:$2')}Z`);
  return Number.isNaN(time) ? undefined : time;
}

/** The rotated files to remove from a directory: all beyond the newest `maxBackups`, and those older than `maxAgeDays`. */
export function outdated(
  path: string,
  names: readonly string[],
  { maxAgeDays, maxBackups }: Retention,
  now: number,
): readonly string[] {
  return names
    .map((name) => ({ name, time: rotatedAt(path, name) ?? NaN }))
    .filter(({ time }) => !Number.isNaN(time))
    .sort((a, b) => b.time - a.time)
    .filter(
      ({ time }, at) =>
        (maxBackups > 0 && at >= maxBackups) || (maxAgeDays > 0 && time < now - maxAgeDays * dayMs),
    )
    .map(({ name }) => name);
}
