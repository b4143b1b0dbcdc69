import { presentOnly } from '../present-only.js';
import type { Declaration, FileUse, GivenValue } from './option.js';

type Facts<Value, Given extends GivenValue> = Omit<Declaration<Value, Given>, 'description'>;

/** What the values of an option are; `help` makes it a declaration, with `more` of its facts. */
interface Kind<Value, Given extends GivenValue> extends Facts<Value, Given> {
  help(
    description: string,
    more?: Partial<Pick<Declaration<Value>, 'kind' | 'short' | 'file' | 'keepsCommas' | 'replacePaths'>>,
  ): Declaration<Value, Given>;
}

function kindOf<Value, Given extends GivenValue>(facts: Facts<Value, Given>): Kind<Value, Given> {
  return { ...facts, help: (description, more) => ({ ...facts, description, ...more }) };
}

/** Undefined may only be the value of an option without a default. */
type Preset<Value, Default> = undefined extends Default ? Value | undefined : Value;

/** A single value; undefined if none is given and there is no default. */
function single<Value, Default extends string | undefined>(
  preset: Default | undefined,
  facts: Omit<Facts<Value, string>, 'default' | 'absent'>,
): Kind<Preset<Value, Default>, string> {
  const absent = undefined as Preset<Value, Default>;
  return kindOf({ ...facts, ...presentOnly({ default: preset }), absent });
}

export function quoted(given: unknown): string {
  const text = String(given);
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** A flag without a value, or with `=true` or `=false`, as in Kubernetes. May take one more word. */
export function boolean<Word extends string = never>(preset: boolean, word?: Word) {
  return kindOf<boolean | Word, boolean | Word>({
    kind: 'boolean',
    default: preset,
    ...presentOnly({ choices: word === undefined ? undefined : [word] }),
    absent: preset,
    parse: (given) => {
      if (given === true || given === 'true') return true;
      if (given === false || given === 'false') return false;
      if (word !== undefined && given === word) return word;
      const words = word === undefined ? 'true or false' : `true, false or ${word}`;
      throw new RangeError(`${quoted(given)} is not ${words}`);
    },
  });
}

/** A whole number; the help shows `unit` for it. */
export function count(preset: number, { min = 0, max = 999_999_999, unit = 'count', expected = '' } = {}) {
  return kindOf({
    kind: 'integer',
    default: preset,
    placeholder: unit,
    absent: preset,
    parse: (given) => {
      const number = Number(given);
      if (/^\d{1,9}$/.test(String(given)) && number >= min && number <= max) return number;
      throw new RangeError(`${quoted(given)} is not ${expected || `a number from ${min} to ${max}`}`);
    },
  });
}

/** 0 means any free port. */
export function port(preset: number): Kind<number, number> {
  return count(preset, { max: 65_535, unit: 'port', expected: 'a port (0 to 65535; 0 takes a free one)' });
}

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** A Go duration (`1h30m`, `90s`, `500ms`) as milliseconds. Bounds are written the same way. */
export function duration<Default extends string | undefined = undefined>(
  preset?: Default,
  { min = '0s', max }: { min?: string; max?: string } = {},
): Kind<Preset<number, Default>, string> {
  return single(preset, {
    kind: 'duration',
    placeholder: 'duration',
    parse: (given) => {
      const milliseconds = millisecondsOf(given);
      if (max !== undefined && (milliseconds < millisecondsOf(min) || milliseconds > millisecondsOf(max))) {
        throw new RangeError(`${quoted(given)} is not between ${min} and ${max}`);
      }
      return milliseconds;
    },
  });
}

function millisecondsOf(given: GivenValue): number {
  const text = String(given);
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  const isWhole = parts.map(([part]) => part).join('') === text;
  if (parts.length === 0 || !isWhole) {
    throw new RangeError(`${quoted(given)} is not a duration such as 30s, 10m or 1h30m`);
  }
  return parts.reduce((sum, [, number = '', unit = '']) => sum + Number(number) * (unitMs[unit] ?? 0), 0);
}

/** The help shows `placeholder` for the value. */
export function text<Default extends string | undefined = undefined>(placeholder: string, preset?: Default) {
  return single(preset, { kind: 'text', placeholder, parse: String });
}

export function choice<const Word extends string>(
  placeholder: string,
  choices: readonly Word[],
  preset: NoInfer<Word>,
) {
  return kindOf<Word, Word>({
    kind: 'text',
    default: preset,
    placeholder,
    choices,
    absent: preset,
    parse: (given) => chosen(String(given), choices),
  });
}

export function chosen<Word extends string>(given: string, choices: readonly Word[]): Word {
  const found = choices.find((word) => word === given);
  if (found === undefined) throw new RangeError(`${quoted(given)} is not one of ${choices.join(', ')}`);
  return found;
}

/** The name of a file or folder; in a configuration file, relative to that file. */
function path(kind: 'file' | 'directory', use?: FileUse): Kind<string | undefined, string> {
  return single<string, undefined>(undefined, {
    kind,
    placeholder: kind,
    ...presentOnly({ file: use }),
    parse: (given) => named(String(given), kind),
  });
}

export function file(use: FileUse = {}): Kind<string | undefined, string> {
  return path('file', use);
}

export function directory(): Kind<string | undefined, string> {
  return path('directory');
}

export function kubeconfigFile(): Kind<string | undefined, string> {
  const any = file({ kubeconfig: true, secret: true });
  return { ...any, help: (description) => any.help(`${description}; in-cluster: the pod's service account`) };
}

function named(path: string, what: string): string {
  if (path.trim() === '') throw new RangeError(`must name a ${what}`);
  return path;
}

/** A list of texts; empty if not given and without a default. */
export function list(placeholder: string, preset?: readonly string[]) {
  return kindOf<readonly string[], readonly string[]>({
    kind: 'text',
    ...presentOnly({ default: preset }),
    placeholder,
    isList: true,
    absent: [],
    parse: (given) => (Array.isArray(given) ? (given as readonly string[]) : [String(given)]),
  });
}

/**
 * A list of names; blanks around names and empty names are dropped, since lists in shell variables have them. A list
 * that is given but empty, such as an unset variable, is refused: an allow list must not turn into "everyone".
 */
export function names(placeholder: string, preset?: readonly string[]) {
  const namesIn = (given: readonly string[]): readonly string[] => {
    const found = given.map((name) => name.trim()).filter((name) => name !== '');
    if (found.length > 0) return found;
    throw new RangeError('is empty; leave it out, or list at least one name');
  };
  return parsed(list(placeholder, preset), namesIn, []);
}

export function choices<const Word extends string>(
  placeholder: string,
  words: readonly Word[],
  preset?: readonly Word[],
) {
  return each({ ...list(placeholder, preset), choices: words }, (word) => chosen(word, words));
}

/** Files that are read as if they were one. */
export function files(use: FileUse = {}) {
  return each({ ...list('files'), kind: 'file', file: use }, (path) => named(path, 'file'));
}

/** Pairs such as `key=value` with distinct keys; a configuration file may also hold a map. `form` is for messages. */
export function pairs(form: string, pair: RegExp) {
  const declared = { ...list(form), kind: 'pair' } as const;
  const pairsIn = (given: readonly string[]): Readonly<Record<string, string>> => {
    const found = new Map<string, string>();
    for (const one of given) {
      const [, key, value] = pair.exec(one) ?? [];
      if (key === undefined || value === undefined) throw new RangeError(`${quoted(one)} is not ${form}`);
      if (found.has(key)) throw new RangeError(`${quoted(key)} is given twice`);
      found.set(key, value);
    }
    return Object.fromEntries(found);
  };
  return parsed(declared, pairsIn, {});
}

/**
 * The same kind with its value mapped by `parse`, which throws for an invalid one. `absent` is the value
 * of a list that is not given and has no default.
 */
export function parsed<Value, Given extends GivenValue, Parsed>(
  declared: Facts<Value, Given>,
  parse: (value: Exclude<Value, undefined>) => Parsed,
  absent?: Parsed,
): Kind<Parsed | Extract<Value, undefined>, Given> {
  return kindOf({
    ...declared,
    absent: absent as Parsed | Extract<Value, undefined>,
    parse: (given) => parse(declared.parse(given) as Exclude<Value, undefined>),
  });
}

/** The same for each value of a list. */
export function each<Parsed>(
  declared: Facts<readonly string[], readonly string[]>,
  parse: (value: string) => Parsed,
): Kind<readonly Parsed[], readonly string[]> {
  return parsed(declared, (given) => given.map(parse), []);
}
