import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TemporaryDirectory {
  readonly path: string;
  /** Writes a file into it and returns the file's path. */
  write(name: string, text: string): string;
  /** For one that is large: all of them are removed after the file of the tests that made them. */
  remove(): void;
}

const left = new Set<TemporaryDirectory>();
process.once('exit', removeTemporaryDirectories);

export function removeTemporaryDirectories(): void {
  for (const directory of left) directory.remove();
}

const listeners: ((text: string) => void)[] = [];

/** Calls `listener` with what is written into any of them from now on. */
export function onFileWritten(listener: (text: string) => void): void {
  listeners.push(listener);
}

export function temporaryDirectory(): TemporaryDirectory {
  const path = mkdtempSync(join(tmpdir(), 'kcp-metrics-filter-test-'));
  const directory: TemporaryDirectory = {
    path,
    write(name, text) {
      const file = join(path, name);
      writeFileSync(file, text);
      for (const listener of listeners) listener(text);
      return file;
    },
    remove() {
      left.delete(directory);
      rmSync(path, { recursive: true, force: true });
    },
  };
  left.add(directory);
  return directory;
}
