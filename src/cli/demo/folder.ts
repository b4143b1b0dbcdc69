import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { usageError } from '../../options/usage-error.js';

/** A folder of this user alone, for keys and tokens that must not outlive the process. */
export interface DemoFolder {
  readonly path: string;
  /** Writes a file that only this user may read; returns its path. */
  write(name: string, text: string): string;
  /** Makes a folder in it; returns its path. */
  makeFolder(name: string): string;
  remove(): void;
}

/** @throws UsageError when there is no place for it. */
export function createDemoFolder(): DemoFolder {
  const path = makeTemporaryFolder();
  const remove = (): void => {
    process.off('exit', remove);
    // Retried, since somebody may be writing into it just now.
    rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  };
  // An error that nobody caught ends the process without asking anybody else to clean up.
  process.once('exit', remove);
  return {
    path,
    write(name, text) {
      const file = join(path, name);
      writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
      return file;
    },
    makeFolder(name) {
      const folder = join(path, name);
      mkdirSync(folder, { mode: 0o700 });
      return folder;
    },
    remove,
  };
}

/** Readable by this user alone: mkdtemp makes it 0700. */
function makeTemporaryFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'kcp-metrics-filter-demo-'));
  } catch (error) {
    throw usageError('TMPDIR', error);
  }
}
