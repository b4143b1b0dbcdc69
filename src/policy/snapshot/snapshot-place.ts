import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, opendir, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join, parse, resolve } from 'node:path';
import { codeOf } from '../../error-class.js';
import { SnapshotError, snapshotError } from '../policy-errors.js';
import { maxSnapshotBytes, snapshotBeginning } from './snapshot-format.js';

/** Links are not followed, and a pipe is not waited for. */
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Why a file must not be trusted, or undefined: whoever can write a snapshot decides who may scrape. `ourUid` is
 * undefined where users have no numbers, as on Windows.
 */
export function accessFault(
  { uid, mode }: { readonly uid: number; readonly mode: number },
  ourUid: number | undefined,
): string | undefined {
  if (ourUid === undefined) return undefined;
  if (uid !== ourUid && uid !== 0) return `belongs to user ${uid}, who is neither user ${ourUid} nor root`;
  if ((mode & 0o077) === 0) return undefined;
  return `is open to its group or to others (mode ${(mode & 0o777).toString(8).padStart(4, '0')}): make it 0600`;
}

/** Opens a snapshot whose place and permissions can be trusted; undefined if there is none. */
export function openSnapshot(file: string): Promise<FileHandle | undefined> {
  return openFile(file, async (handle) => {
    const status = await handle.stat();
    const fault = accessFault(status, process.geteuid?.());
    if (fault !== undefined) throw new SnapshotError(file, fault);
    if (status.size > maxSnapshotBytes) throw new SnapshotError(file, 'is larger than 256 MiB');
  });
}

/**
 * Checks at the start that snapshots can be kept at `file`, by making and removing a file beside it. Throws
 * SnapshotError where the directory is missing or may not be written to, and where a snapshot would replace something
 * else: a directory, a link, a device, or a file with other content.
 */
export async function checkSnapshotPlace(file: string): Promise<void> {
  const handle = await openFile(file, async (opened) => {
    const beginning = Buffer.alloc(snapshotBeginning.length);
    const { bytesRead } = await opened.read(beginning, 0, beginning.length, 0);
    if (!snapshotBeginning.subarray(0, bytesRead).equals(beginning.subarray(0, bytesRead))) {
      throw new SnapshotError(file, 'holds something else than a policy snapshot, which would be lost');
    }
  });
  await handle?.close();
  try {
    await writeBeside(file, () => Promise.resolve(), unlink);
  } catch (error) {
    throw snapshotError(file, 'written', error);
  }
}

async function openFile(
  file: string,
  check: (handle: FileHandle) => Promise<void>,
): Promise<FileHandle | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(resolve(file), readFlags);
    if (!(await handle.stat()).isFile()) throw notRegular(file);
    await check(handle);
    return handle;
  } catch (error) {
    await handle?.close();
    const code = codeOf(error);
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP') throw new SnapshotError(file, 'is a symbolic link', { cause: error });
    throw code === 'ENXIO' ? notRegular(file) : snapshotError(file, 'read', error);
  }
}

function notRegular(file: string): SnapshotError {
  return new SnapshotError(file, 'is not a regular file');
}

/** A temporary file that was not written to for this long (ms) is abandoned. */
const abandonedMs = 60_000;
const temporaryName = /^\.(.+)\.[0-9a-f]{16}\.tmp$/s;

/**
 * Replaces `file` by a new one, mode 0600: readers find the old or the new one complete, even if the process or the
 * machine crashes meanwhile. A failure leaves nothing behind; rejects with its error.
 */
export async function replaceFile(file: string, fill: (handle: FileHandle) => Promise<void>): Promise<void> {
  const target = resolve(file);
  // Renaming would replace a link or a device without notice.
  if ((await lstat(target).catch(ignore))?.isFile() === false) throw notRegular(file);
  await writeBeside(file, fill, (path) => rename(path, target));
  // Makes the new name survive a power failure. Not every file system can; then the old file may come back, which is
  // complete as well.
  const directory = await open(dirname(target), 'r').catch(ignore);
  await directory?.sync().catch(ignore);
  await directory?.close().catch(ignore);
}

/** Makes a file beside `file` and hands it on to `use` once it is filled, on disk and closed. */
async function writeBeside(
  file: string,
  fill: (handle: FileHandle) => Promise<void>,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const { dir, base } = parse(resolve(file));
  const path = join(dir, `.${base}.${randomBytes(8).toString('hex')}.tmp`);
  const handle = await open(path, 'wx', 0o600);
  try {
    try {
      // A file that cannot be removed is no reason not to write.
      await removeAbandoned(dir, base, handle).catch(ignore);
      await fill(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await use(path);
  } catch (error) {
    await unlink(path).catch(ignore);
    throw error;
  }
}

/** Removes temporary files of killed writers. The time is that of the file system, taken from the file just created. */
async function removeAbandoned(directory: string, base: string, justMade: FileHandle): Promise<void> {
  const { mtimeMs: now } = await justMade.stat();
  for await (const { name } of await opendir(directory)) {
    if (temporaryName.exec(name)?.[1] !== base) continue;
    const path = join(directory, name);
    const status = await lstat(path).catch(ignore);
    if (status?.isFile() === true && now - status.mtimeMs > abandonedMs) await unlink(path).catch(ignore);
  }
}

function ignore(): undefined {
  return undefined;
}
