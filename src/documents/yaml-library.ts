import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';

let library: typeof Yaml | undefined;

/** Loaded by the first text that needs it, since most processes that import this package never read one. */
export function yaml(): typeof Yaml {
  library ??= createRequire(import.meta.url)('yaml') as typeof Yaml;
  return library;
}

/** A value as YAML, one field a line, that kubectl reads back as the same value. */
export function yamlOf(value: unknown): string {
  return yaml().stringify(value, {
    lineWidth: 0,
    singleQuote: true,
    aliasDuplicateObjects: false,
    // kubectl reads YAML 1.1, in which a user called `yes` would be `true`.
    compat: 'yaml-1.1',
  });
}
