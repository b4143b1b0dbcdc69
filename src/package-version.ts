import { readFileSync } from 'node:fs';

// src and dist both lie one level below the package's root.
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

export const packageVersion = manifest.version;
