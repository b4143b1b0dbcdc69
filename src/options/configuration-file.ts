import { dirname, resolve } from 'node:path';
import { readDocument } from '../documents/documents.js';
import { Field, shownName } from '../documents/field.js';
import { sourceOf, utf8TextOf, type Source } from '../documents/source.js';
import { FilesRead } from '../files/files-read.js';
import { inCluster } from '../kubernetes/kubeconfig/in-cluster.js';
import { didYouMean } from './did-you-mean.js';
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

/** The required fields of every configuration file. */
export const apiVersion = 'kcp-metrics-filter/v1alpha1';
export const kind = 'MetricsFilterConfiguration';

/** Text without control characters: a command line cannot hold NUL, and names, paths and globs need none of them. */
const plainText = '[^\\u0000-\\u001f\\u007f]';

/** JSON Schema patterns of texts, of names in a map and of durations. */
export const patterns = {
  text: `^${plainText}*$`,
  pairName: '^[^=\\u0000-\\u001f\\u007f]+$',
  duration: '^([0-9]+(\\.[0-9]+)?(ms|h|m|s))+$',
} as const;

/** More than anyone writes by hand. */
const maxConfigurationBytes = 1024 * 1024;

/** The options that are allowed in a file, by key. */
export function fieldsOf(topics: readonly Topic[]): ReadonlyMap<string, Option> {
  const fields = new Map(optionsIn(topics).map((option) => [option.key, option]));
  fields.delete(general.options.config.key);
  return fields;
}

export interface FieldValue {
  readonly option: Option;
  readonly value: GivenValue;
  /** From 1. */
  readonly line: number;
}

export async function readConfigurationFile(file: string): Promise<ReadonlyMap<string, FieldValue>> {
  const reading = await new FilesRead().read(file, maxConfigurationBytes);
  if (reading.kind === 'fault') throw fault(general.options.config, `${file} ${reading.fault}`);
  return parseConfiguration(reading.bytes, file);
}

/** Relative paths are resolved against the file's directory. @throws UsageError with a line for each faulty field. */
export function parseConfiguration(bytes: Uint8Array, file: string, topics: readonly Topic[] = startTopics) {
  const source = sourceOf(file, UsageError);
  const root = Field.root(readDocument(utf8TextOf(bytes, source), 'configuration', source));
  root.requireObject();
  // Nothing of a file of another kind is quoted: it may be a secret.
  requireConstant(root, 'apiVersion', apiVersion, source);
  requireConstant(root, 'kind', kind, source);
  const directory = dirname(resolve(file));
  const fields = fieldsOf(topics);
  const found = new Map<string, FieldValue>();
  throwAllFaults(root.entries(), ([name, field]) => {
    if (name === 'apiVersion' || name === 'kind') return;
    const { line } = field;
    const option =
      fields.get(name) ?? source.fail(line, `${shownName(name)}: unknown field${meant(name, fields)}`);
    if (field.isAbsent) source.fail(line, `${name}: has no value`);
    const given = givenValueOf(option, field.value, (message, item) =>
      item === undefined
        ? source.fail(line, `${name}: ${message}`)
        : source.fail(field.items()[item]?.line ?? line, `${name}[${item}]: ${message}`),
    );
    found.set(name, { option, value: withPathsBelow(directory, option, given), line });
  });
  return found;
}

const maxFaults = 20;

/** Checks every item. @throws UsageError with all faults, one a line. */
export function throwAllFaults<Item>(items: Iterable<Item>, check: (item: Item) => void): void {
  const faults = new Set<string>();
  for (const item of items) {
    try {
      check(item);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      faults.add(faults.size < maxFaults ? error.message : 'there are more faults than these');
      if (faults.size > maxFaults) break;
    }
  }
  if (faults.size > 0) throw new UsageError([...faults].join('\n'));
}

function requireConstant(root: Field, name: string, constant: string, { fail }: Source): void {
  const { value, line } = root.get(name);
  if (value === undefined) fail(1, `${name}: required: ${constant}`);
  if (value !== constant) fail(line, `${name}: must be ${constant}`);
}

/** Checks options that a program passes, with the rules for a file's fields. @throws UsageError naming the option. */
export function checkedOptions(options: object, topics: readonly Topic[]): GivenOptions {
  const fields = fieldsOf(topics);
  const given: Record<string, GivenValue> = {};
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    if (value === undefined) continue;
    const option = fields.get(name);
    if (option === undefined)
      throw new UsageError(`${shownName(name)}: unknown option${meant(name, fields)}`);
    given[name] = givenValueOf(option, value, (message, item) => {
      throw new UsageError(`${item === undefined ? name : `${name}[${item}]`}: ${message}`);
    });
  }
  return given;
}

function meant(name: string, fields: ReadonlyMap<string, Option>): string {
  return didYouMean(name, [...fields.keys(), 'apiVersion', 'kind']);
}

function withPathsBelow(directory: string, option: Option, value: GivenValue): GivenValue {
  // `-` means standard output, and the option itself refuses an empty path.
  const noPaths = ['', '-', ...(option.file?.kubeconfig === true ? [inCluster] : [])];
  const below = (path: string): string => (noPaths.includes(path) ? path : resolve(directory, path));
  const replaced = (one: string): string =>
    option.replacePaths?.(one, below) ?? (isPath(option) ? below(one) : one);
  if (typeof value === 'string') return replaced(value);
  return typeof value === 'object' ? value.map(replaced) : value;
}

export function isPath({ kind: kindOf }: Option): boolean {
  return kindOf === 'file' || kindOf === 'directory';
}

/** Throws; `item` is the index in a list. */
type FieldFail = (message: string, item?: number) => never;

const text = new RegExp(patterns.text, 'u');
const pairName = new RegExp(patterns.pairName, 'u');
const duration = new RegExp(patterns.duration, 'u');
/** Characters of a value that a message quotes. */
const maxShown = 64;

/** Checks the type of a value. The schema must accept the same types. */
function givenValueOf(option: Option, value: unknown, fail: FieldFail): GivenValue {
  if (option.isList !== true) return oneOf(option, value, fail);
  if (typeof value === 'string') return splitList(option, textOf(value, fail));
  const isMap = option.kind === 'pair';
  const values = Array.isArray(value)
    ? value.map((item: unknown, at) => wordOf(option, item, (message) => fail(message, at)))
    : isMap && typeof value === 'object' && value !== null
      ? Object.entries(value).map(([name, of]) => pairOf(name, of, fail))
      : fail(isMap ? 'must be a map, a list or a string' : 'must be a list or a string');
  // Without a default, leaving the option out means "all", so an empty list would be ambiguous.
  if (values.length === 0 && option.default === undefined) return fail('is empty: leave it out');
  return values;
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
      return fail('must be a whole number, 0 or more, without quotes');
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
  if (!pairName.test(name)) return fail('a name in it is empty or contains = or a control character');
  return `${name}=${textOf(value, fail)}`;
}

function textOf(value: unknown, fail: FieldFail): string {
  if (typeof value === 'number' || typeof value === 'boolean')
    return fail('must be a string: put it in quotes');
  if (typeof value !== 'string') return fail('must be a string');
  return text.test(value) ? value : fail('contains a control character');
}
