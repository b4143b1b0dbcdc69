import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SnapshotError, snapshotError, systemCode } from './snapshot-error.js';
import { maxSnapshotBytes, snapshotBeginning } from './snapshot-header.js';
import { probeReplacement } from './snapshot-replacement.js';

/** Links are not followed, and a pipe is not waited for. */
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface FileAccess {
  readonly uid: number;
  readonly mode: number;
}

/**
 * Why a file may not be believed, or undefined: whoever can write a snapshot decides who may scrape. `ourUid`
 * is undefined where users have no numbers, as on Windows.
 */
export function accessFault({ uid, mode }: FileAccess, ourUid: number | undefined): string | undefined {
  if (ourUid === undefined) return undefined;
  if (uid !== ourUid && uid !== 0) return `belongs to user ${uid}, who is neither user ${ourUid} nor root`;
  if ((mode & 0o077) === 0) return undefined;
  return `is open to its group or to others (mode ${(mode & 0o777).toString(8).padStart(4, '0')}): make it 0600`;
}

/** Opens a snapshot that may be believed as far as its place goes; undefined where there is none. */
export async function openSnapshot(file: string): Promise<FileHandle | undefined> {
  return openFile(file, async (handle) => {
    const status = await handle.stat();
    const fault = accessFault(status, process.geteuid?.());
    if (fault !== undefined) throw new SnapshotError(file, fault);
    if (status.size > maxSnapshotBytes) throw new SnapshotError(file, 'is larger than 256 MiB');
  });
}

/**
 * Whether snapshots can be kept at `file`: for the start, so that a wrong flag ends it. Makes and removes a
 * file beside it. Throws SnapshotError where the directory is missing or may not be written to, and where
 * something else stands in the place that a snapshot would take away: a directory, a link, a device, or a file
 * with other content.
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
    await probeReplacement(file);
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
    switch (systemCode(error)) {
      case 'ENOENT':
        return undefined;
      case 'ELOOP':
        throw new SnapshotError(file, 'is a symbolic link', { cause: error });
      case 'ENXIO':
        throw notRegular(file);
      default:
        throw snapshotError(file, 'read', error);
    }
  }
}

function notRegular(file: string): SnapshotError {
  return new SnapshotError(file, 'is not a regular file');
}
