import { randomBytes } from 'node:crypto';
import { lstat, open, opendir, rename, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { SnapshotError, systemCode } from './snapshot-error.js';

/** Nobody is still writing to a temporary file that has been left alone for so long (ms). */
const abandonedMs = 60_000;
const temporaryName = /^\.(.+)\.[0-9a-f]{16}\.tmp$/s;

/**
 * Puts a new file, mode 0600, in the place of `file`: whoever opens that finds the old or the new one whole, also
 * when the process or the machine goes down meanwhile. Where anything fails, nothing is left behind. Rejects
 * with whatever failed.
 */
export async function replaceFile(file: string, fill: (handle: FileHandle) => Promise<void>): Promise<void> {
  await refuseOtherThanFile(file);
  const { path, handle } = await openBeside(file);
  try {
    try {
      await removeAbandoned(file, handle);
      await fill(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(path, resolve(file));
  } catch (error) {
    await unlink(path).catch(ignore);
    throw error;
  }
  await syncDirectory(dirname(resolve(file)));
}

/** Rejects where a file could not be replaced for want of a directory or of permissions. */
export async function probeReplacement(file: string): Promise<void> {
  const { path, handle } = await openBeside(file);
  try {
    await removeAbandoned(file, handle);
  } finally {
    await handle.close();
    await unlink(path);
  }
}

/** Renaming would take away a link or a device without a word. */
async function refuseOtherThanFile(file: string): Promise<void> {
  const status = await lstat(resolve(file)).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (status !== undefined && !status.isFile()) throw new SnapshotError(file, 'is not a regular file');
}

async function openBeside(file: string): Promise<{ readonly path: string; readonly handle: FileHandle }> {
  const name = `.${basename(resolve(file))}.${randomBytes(8).toString('hex')}.tmp`;
  const path = join(dirname(resolve(file)), name);
  const handle = await open(path, 'wx', 0o600);
  return { path, handle };
}

/**
 * Removes what writers that were killed have left. The time is the file system's own, as the file that was
 * just made shows it. What cannot be removed stays: that is no reason not to write.
 */
async function removeAbandoned(file: string, justMade: FileHandle): Promise<void> {
  const directory = dirname(resolve(file));
  try {
    const { mtimeMs: now } = await justMade.stat();
    for await (const { name } of await opendir(directory)) {
      if (temporaryName.exec(name)?.[1] !== basename(resolve(file))) continue;
      const path = join(directory, name);
      const status = await lstat(path).catch(ignore);
      if (status?.isFile() === true && now - status.mtimeMs > abandonedMs) await unlink(path).catch(ignore);
    }
  } catch {
    ignore();
  }
}

/**
 * Makes the new name survive a loss of power. Not every file system can; then the old file may come back, which
 * is whole as well.
 */
async function syncDirectory(directory: string): Promise<void> {
  try {
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    ignore();
  }
}

function ignore(): undefined {
  return undefined;
}
