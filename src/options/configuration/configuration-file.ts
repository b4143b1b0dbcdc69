import { dirname, resolve } from 'node:path';
import { FilesRead } from '../../files/files-read.js';
import { kindOf } from '../flag-kind.js';
import type { Flag } from '../flags.js';
import { UsageError } from '../usage-error.js';
import { closestName } from './closest-name.js';
import { configFlag } from './config-flag.js';
import { flagValueOf } from './field-value.js';
import { apiVersion, fields, kind } from './fields.js';
import { readDocument } from '../../documents/documents.js';
import { Field, shownName } from '../../documents/field.js';
import { sourceOf, utf8TextOf, type Source } from '../../documents/source.js';

/** Larger than any that a person writes. */
export const maxConfigurationBytes = 1024 * 1024;

/** What a field says, as its flag would have been given. */
export interface FieldValue {
  readonly flag: Flag;
  readonly value: string | readonly string[];
  /** From 1. */
  readonly line: number;
}

/** The fields of a configuration file, by their names. @throws UsageError naming file, line and field. */
export async function readConfigurationFile(file: string): Promise<ReadonlyMap<string, FieldValue>> {
  const reading = await new FilesRead().read(file, maxConfigurationBytes);
  if (reading.kind === 'fault') throw new UsageError(`${configFlag.name}: ${file} ${reading.fault}`);
  return parseConfiguration(reading.bytes, file);
}

/** Relative paths are those below the file's directory. @throws UsageError naming file, line and field. */
export function parseConfiguration(bytes: Uint8Array, file: string): ReadonlyMap<string, FieldValue> {
  const source = sourceOf(file, UsageError);
  const root = Field.root(readDocument(utf8TextOf(bytes, source), 'configuration', source));
  root.requireObject();
  // Of a file of another kind nothing is said, since it may be a secret.
  requireConstant(root, 'apiVersion', apiVersion, source);
  requireConstant(root, 'kind', kind, source);
  const directory = dirname(resolve(file));
  const found = new Map<string, FieldValue>();
  for (const [name, field] of root.entries()) {
    if (name === 'apiVersion' || name === 'kind') continue;
    const { line } = field;
    const flag = fields.get(name) ?? source.fail(line, unknownField(name));
    if (field.isAbsent) source.fail(line, `${name}: has no value`);
    const given = flagValueOf(flag, field.value, (fault, item) =>
      item === undefined
        ? source.fail(line, `${name}: ${fault}`)
        : source.fail(field.items()[item]?.line ?? line, `${name}[${item}]: ${fault}`),
    );
    found.set(name, { flag, value: withPathsBelow(directory, flag, given), line });
  }
  return found;
}

function requireConstant(root: Field, name: string, constant: string, { fail }: Source): void {
  const { value, line } = root.get(name);
  if (value === undefined) fail(1, `${name}: required: ${constant}`);
  if (value !== constant) fail(line, `${name}: must be ${constant}`);
}

function unknownField(name: string): string {
  const meant = closestName(name, [...fields.keys(), 'apiVersion', 'kind']);
  return `${shownName(name)}: is no field${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}

function withPathsBelow(
  directory: string,
  flag: Flag,
  value: string | readonly string[],
): string | readonly string[] {
  const below = (path: string): string => pathBelow(path, directory);
  const replaced = (one: string): string =>
    flag.replacePaths?.(one, below) ?? (isPath(flag) ? below(one) : one);
  return typeof value === 'string' ? replaced(value) : value.map(replaced);
}

function isPath(flag: Flag): boolean {
  return ['file', 'directory'].includes(kindOf(flag));
}

/** `-` is no file where a flag takes it, and an empty path is the flag's to refuse. */
function pathBelow(path: string, directory: string): string {
  return path === '' || path === '-' ? path : resolve(directory, path);
}
