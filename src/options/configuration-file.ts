import { dirname, resolve } from 'node:path';
import { readDocument } from '../documents/documents.js';
import { Field, shownName } from '../documents/field.js';
import { sourceOf, utf8TextOf, type Source } from '../documents/source.js';
import { FilesRead } from '../files/files-read.js';
import { general } from './general-options.js';
import {
  fault,
  optionsIn,
  splitList,
  type GivenOptions,
  type GivenValue,
  type Option,
  type Topic,
} from './option.js';
import { startTopics } from './start-topics.js';
import { UsageError } from './usage-error.js';

/** What a file has to begin with. */
export const apiVersion = 'kcp-metrics-filter/v1alpha1';
export const kind = 'MetricsFilterConfiguration';

/** No command line could hold the first of them; none of them has a place in a name, a path or a glob. */
const plainText = '[^\\u0000-\\u001f\\u007f]';

/** What texts, names in a map and durations have to be, as JSON Schema writes patterns. */
export const patterns = {
  text: `^${plainText}*$`,
  pairName: '^[^=\\u0000-\\u001f\\u007f]+$',
  duration: '^([0-9]+(\\.[0-9]+)?(ms|h|m|s))+$',
} as const;

/** Larger than any that a person writes. */
const maxConfigurationBytes = 1024 * 1024;

/** The options that a file may hold, by their keys. */
export function fieldsOf(topics: readonly Topic[]): ReadonlyMap<string, Option> {
  const { config } = general.options;
  return new Map(
    optionsIn(topics)
      .filter(({ key }) => key !== config.key)
      .map((option) => [option.key, option]),
  );
}

/** What a field says, as the option would have been given. */
export interface FieldValue {
  readonly option: Option;
  readonly value: GivenValue;
  /** From 1. */
  readonly line: number;
}

/** The fields of a configuration file, by their names. @throws UsageError naming file, line and field. */
export async function readConfigurationFile(file: string): Promise<ReadonlyMap<string, FieldValue>> {
  const reading = await new FilesRead().read(file, maxConfigurationBytes);
  if (reading.kind === 'fault') throw fault(general.options.config, `${file} ${reading.fault}`);
  return parseConfiguration(reading.bytes, file);
}

/** Relative paths are those below the file's directory. @throws UsageError naming file, line and field. */
export function parseConfiguration(
  bytes: Uint8Array,
  file: string,
  topics: readonly Topic[] = startTopics,
): ReadonlyMap<string, FieldValue> {
  const source = sourceOf(file, UsageError);
  const root = Field.root(readDocument(utf8TextOf(bytes, source), 'configuration', source));
  root.requireObject();
  // Of a file of another kind nothing is said, since it may be a secret.
  requireConstant(root, 'apiVersion', apiVersion, source);
  requireConstant(root, 'kind', kind, source);
  const directory = dirname(resolve(file));
  const fields = fieldsOf(topics);
  const found = new Map<string, FieldValue>();
  for (const [name, field] of root.entries()) {
    if (name === 'apiVersion' || name === 'kind') continue;
    const { line } = field;
    const option =
      fields.get(name) ?? source.fail(line, `${shownName(name)}: is no field${meant(name, fields)}`);
    if (field.isAbsent) source.fail(line, `${name}: has no value`);
    const given = givenValueOf(option, field.value, (message, item) =>
      item === undefined
        ? source.fail(line, `${name}: ${message}`)
        : source.fail(field.items()[item]?.line ?? line, `${name}[${item}]: ${message}`),
    );
    found.set(name, { option, value: withPathsBelow(directory, option, given), line });
  }
  return found;
}

function requireConstant(root: Field, name: string, constant: string, { fail }: Source): void {
  const { value, line } = root.get(name);
  if (value === undefined) fail(1, `${name}: required: ${constant}`);
  if (value !== constant) fail(line, `${name}: must be ${constant}`);
}

/** What a program passes for options of some topics, checked as a file's fields are. @throws UsageError naming the option. */
export function checkedOptions(options: object, topics: readonly Topic[] = startTopics): GivenOptions {
  const fields = fieldsOf(topics);
  const entries: [string, unknown][] = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => {
      const option = fields.get(name);
      if (option === undefined)
        throw new UsageError(`${shownName(name)}: is no option${meant(name, fields)}`);
      const given = givenValueOf(option, value, (message, item) => {
        throw new UsageError(`${item === undefined ? name : `${name}[${item}]`}: ${message}`);
      });
      return [name, given];
    }),
  );
}

function meant(name: string, fields: ReadonlyMap<string, Option>): string {
  const closest = closestName(name, [...fields.keys(), 'apiVersion', 'kind']);
  return closest === undefined ? '' : `; did you mean ${closest}?`;
}

function withPathsBelow(directory: string, option: Option, value: GivenValue): GivenValue {
  // `-` is no file where an option takes it, and an empty path is the option's to refuse.
  const below = (path: string): string => (path === '' || path === '-' ? path : resolve(directory, path));
  const replaced = (one: string): string =>
    option.replacePaths?.(one, below) ?? (isPath(option) ? below(one) : one);
  if (typeof value === 'string') return replaced(value);
  return typeof value === 'object' ? value.map(replaced) : value;
}

/** Whether its values are paths. */
export function isPath({ kind: kindOf }: Option): boolean {
  return kindOf === 'file' || kindOf === 'directory';
}

/** Throws; `item` is the place in a list, from 0. */
type FieldFail = (message: string, item?: number) => never;

const text = new RegExp(patterns.text, 'u');
const pairName = new RegExp(patterns.pairName, 'u');
const duration = new RegExp(patterns.duration, 'u');
/** Of a value that is shown. */
const maxShown = 64;

/** A typed value, if the option takes it by its shape. The schema allows the same. */
function givenValueOf(option: Option, value: unknown, fail: FieldFail): GivenValue {
  if (option.isList !== true) return oneOf(option, value, fail);
  if (typeof value === 'string') return splitList(option, textOf(value, fail));
  const isMap = option.kind === 'pair';
  const values =
    isMap && isObject(value)
      ? Object.entries(value).map(([name, of]) => pairOf(name, of, fail))
      : Array.isArray(value)
        ? value.map((item: unknown, at) => wordOf(option, item, (message) => fail(message, at)))
        : fail(isMap ? 'must be a map, a list or a string' : 'must be a list or a string');
  // Without the option, everything is meant where nothing was written.
  if (values.length === 0 && option.default === undefined) return fail('is empty: leave it out');
  return values;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function oneOf(option: Option, value: unknown, fail: FieldFail): string | number | boolean {
  switch (option.kind) {
    case 'boolean': {
      const words = option.choices ?? [];
      if (typeof value === 'boolean' || (typeof value === 'string' && words.includes(value))) return value;
      return fail(`must be ${['true', 'false', ...words].join(' or ')}, without quotes`);
    }
    case 'integer':
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
      return fail('must be a whole number that is not negative, without quotes');
    case 'duration':
      if (typeof value === 'string' && duration.test(value)) return value;
      return fail('must be a duration such as 30s, 10m or 1h30m');
    case 'file':
    case 'directory':
    case 'pair':
    case 'text':
      return wordOf(option, value, fail);
  }
}

function wordOf({ choices }: Option, value: unknown, fail: FieldFail): string {
  const word = textOf(value, fail);
  if (choices === undefined || choices.includes(word)) return word;
  const shown = word.length > maxShown ? `${word.slice(0, maxShown)}…` : word;
  return fail(`${JSON.stringify(shown)} is not one of ${choices.join(', ')}`);
}

function pairOf(name: string, value: unknown, fail: FieldFail): string {
  if (!pairName.test(name)) return fail('a name in it is empty or holds = or a control character');
  return `${name}=${textOf(value, fail)}`;
}

function textOf(value: unknown, fail: FieldFail): string {
  if (typeof value === 'number' || typeof value === 'boolean')
    return fail('must be a string: put it in quotes');
  if (typeof value !== 'string') return fail('must be a string');
  return text.test(value) ? value : fail('holds a control character');
}

/** How far apart two names may be, in letters changed, for one to be a slip of the other. */
const maxDistance = 3;
/** Longer than any name that is looked for. */
const maxLength = 100;

/** The one of `names` that was likely meant; undefined where none is like it. */
function closestName(name: string, names: Iterable<string>): string | undefined {
  if (name.length > maxLength) return undefined;
  let closest: string | undefined;
  let least = Math.min(maxDistance, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    const distance = distanceOf(lettersOf(name), lettersOf(candidate));
    if (distance < least) {
      least = distance;
      closest = candidate;
    }
  }
  return closest;
}

/** The same for `clientCAFile`, `client-ca-file` and `clientCaFile`. */
function lettersOf(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, '');
}

/** Letters put in, left out or replaced (Levenshtein). */
function distanceOf(one: string, other: string): number {
  const letters = Array.from(other);
  let row = Array.from({ length: letters.length + 1 }, (_, at) => at);
  for (const [at, letter] of Array.from(one).entries()) {
    const next = [at + 1];
    for (const [column, otherLetter] of letters.entries()) {
      const replaced = (row[column] ?? 0) + (letter === otherLetter ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
