import { readFileSync } from 'node:fs';

/**
 * This package's folder. src, dist and what is bundled for `.` and `./server` all lie one level below it; the rooms do
 * not once they are bundled, so a file of the package is looked for from here.
 */
export const packageRoot = new URL('../', import.meta.url);

const manifest = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')) as {
  readonly version: string;
};

export const packageVersion = manifest.version;
