import { given as presentOnly } from '../given.js';
import type { Declaration, FileUse, GivenValue } from './option.js';

type Preset<Value, Default> = undefined extends Default ? Value | undefined : Value;

/** As it is shown in messages. */
export function quoted(given: unknown): string {
  const text = String(given);
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** A flag without a value, or with `=true` or `=false`, as in Kubernetes. */
export function boolean(preset: boolean, description: string): Declaration<boolean, boolean>;
/** Also takes one more word. */
export function boolean<Word extends string>(
  preset: boolean,
  description: string,
  word: Word,
): Declaration<boolean | Word, boolean | Word>;
export function boolean(preset: boolean, description: string, word?: string): Declaration<boolean | string> {
  return {
    kind: 'boolean',
    description,
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
  };
}

/** A whole number; the help shows `unit` for it. */
export function count(
  preset: number,
  { min = 0, max = 999_999_999, unit = 'count' }: { min?: number; max?: number; unit?: string },
  description: string,
): Declaration<number, number> {
  return {
    kind: 'integer',
    description,
    default: preset,
    placeholder: unit,
    absent: preset,
    parse: (given) => {
      const number = Number(given);
      if (/^\d{1,9}$/.test(String(given)) && number >= min && number <= max) return number;
      throw new RangeError(`${quoted(given)} is not a number from ${min} to ${max}`);
    },
  };
}

/** 0 means any free port. */
export function port(preset: number, description: string): Declaration<number, number> {
  return {
    ...count(preset, { unit: 'port' }, description),
    parse: (given) => {
      if (/^\d{1,5}$/.test(String(given)) && Number(given) <= 65_535) return Number(given);
      throw new RangeError(`${quoted(given)} is not a port (0 to 65535; 0 takes a free one)`);
    },
  };
}

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** A Go duration (`1h30m`, `90s`, `500ms`) as milliseconds. Bounds are written the same way. */
export function duration<Default extends string | undefined>(
  preset: Default,
  { min = '0s', max }: { min?: string; max?: string },
  description: string,
): Declaration<Preset<number, Default>, string> {
  return {
    kind: 'duration',
    description,
    ...presentOnly({ default: preset }),
    placeholder: 'duration',
    absent: undefined as Preset<number, Default>,
    parse: (given) => {
      const milliseconds = millisecondsOf(given);
      if (max !== undefined && (milliseconds < millisecondsOf(min) || milliseconds > millisecondsOf(max))) {
        throw new RangeError(`${quoted(given)} is not between ${min} and ${max}`);
      }
      return milliseconds;
    },
  };
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
export function text<Default extends string | undefined>(
  placeholder: string,
  preset: Default,
  description: string,
): Declaration<Preset<string, Default>, string> {
  return {
    kind: 'text',
    description,
    ...presentOnly({ default: preset }),
    placeholder,
    absent: undefined as Preset<string, Default>,
    parse: (given) => String(given),
  };
}

/** One of a few words. */
export function choice<const Word extends string, Default extends Word | undefined>(
  placeholder: string,
  choices: readonly Word[],
  preset: Default,
  description: string,
): Declaration<Preset<Word, Default>, Word> {
  return {
    kind: 'text',
    description,
    ...presentOnly({ default: preset }),
    placeholder,
    choices,
    absent: undefined as Preset<Word, Default>,
    parse: (given) => chosen(String(given), choices),
  };
}

/** @throws RangeError for any other word. */
export function chosen<Word extends string>(given: string, choices: readonly Word[]): Word {
  const found = choices.find((word) => word === given);
  if (found === undefined) throw new RangeError(`${quoted(given)} is not one of ${choices.join(', ')}`);
  return found;
}

/** A file name; in a configuration file, relative to that file. */
export function file(use: FileUse, description: string): Declaration<string | undefined, string> {
  return {
    kind: 'file',
    description:
      use.kubeconfig === true ? `${description}; in-cluster: the pod's service account` : description,
    placeholder: 'file',
    file: use.kubeconfig === true ? { secret: true, ...use } : use,
    absent: undefined,
    parse: (given) => named(String(given), 'file'),
  };
}

export function directory(description: string): Declaration<string | undefined, string> {
  return {
    kind: 'directory',
    description,
    placeholder: 'directory',
    absent: undefined,
    parse: (given) => named(String(given), 'directory'),
  };
}

function named(path: string, what: string): string {
  if (path.trim() === '') throw new RangeError(`must name a ${what}`);
  return path;
}

/** A list of texts; empty if not given and without a default. */
export function list(
  placeholder: string,
  preset: readonly string[] | undefined,
  description: string,
): Declaration<readonly string[], readonly string[]> {
  return {
    kind: 'text',
    description,
    ...presentOnly({ default: preset }),
    placeholder,
    isList: true,
    absent: [],
    parse: (given) => (Array.isArray(given) ? (given as readonly string[]) : [String(given)]),
  };
}

/**
 * A list of names; blanks around names and empty names are dropped, since lists in shell variables have them. A list
 * that is given but empty, such as an unset variable, is refused: an allow list must not turn into "everyone".
 */
export function names(
  placeholder: string,
  preset: readonly string[] | undefined,
  description: string,
): Declaration<readonly string[], readonly string[]> {
  const namesIn = (given: readonly string[]): readonly string[] => {
    const found = given.map((name) => name.trim()).filter((name) => name !== '');
    if (found.length > 0) return found;
    throw new RangeError('is empty; leave it out, or list at least one name');
  };
  return parsed(list(placeholder, preset, description), namesIn, []);
}

/** Some of a few words. */
export function choices<const Word extends string>(
  placeholder: string,
  words: readonly Word[],
  preset: readonly Word[] | undefined,
  description: string,
): Declaration<readonly Word[], readonly string[]> {
  const declared = { ...list(placeholder, preset, description), choices: words };
  return parsed(declared, (given) => given.map((word) => chosen(word, words)), []);
}

/** Files that are read as if they were one. */
export function files(use: FileUse, description: string): Declaration<readonly string[], readonly string[]> {
  const declared = { ...list('files', undefined, description), kind: 'file', file: use } as const;
  return parsed(declared, (given) => given.map((path) => named(path, 'file')), []);
}

/** Pairs such as `key=value` with distinct keys; a configuration file may also hold a map. `form` is for messages. */
export function pairs(
  form: string,
  pair: RegExp,
  description: string,
): Declaration<Readonly<Record<string, string>>, readonly string[]> {
  const declared = { ...list(form, undefined, description), kind: 'pair' } as const;
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
 * The same option with its value mapped by `parse`, which throws for an invalid one. `absent` is the value
 * of a list that is not given and has no default.
 */
export function parsed<Value, Given extends GivenValue, Parsed>(
  declared: Declaration<Value, Given>,
  parse: (value: Exclude<Value, undefined>) => Parsed,
  absent?: Parsed,
): Declaration<Parsed | Extract<Value, undefined>, Given> {
  return {
    ...declared,
    absent: absent as Parsed | Extract<Value, undefined>,
    parse: (given) => parse(declared.parse(given) as Exclude<Value, undefined>),
  };
}
