import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { TemporaryDirectory } from '../support/temporary-directory.js';

/** Writes a file whole, as a careful tool does: nobody who follows it reads half of it. Returns its path. */
export function publish(directory: TemporaryDirectory, name: string, text: string): string {
  const file = join(directory.path, name);
  renameSync(directory.write(`.${name}.new`, text), file);
  return file;
}
