import { UsageError, usageError } from './usage-error.js';

/** The type of a value, or of each value of a list: for the configuration file, its schema and shell completion. */
type OptionKind = 'boolean' | 'integer' | 'duration' | 'file' | 'directory' | 'pair' | 'text';

/** The raw value of an option: text from a command line, typed from a configuration file or a program. */
export type GivenValue = string | number | boolean | readonly string[];

/**
 * By the option's key; a missing key means not given. Whoever reads them throws a UsageError that names the option at
 * fault.
 */
export type GivenOptions = Readonly<Record<string, GivenValue | undefined>>;

/** How a file is used: for the checks of doctor, and for following it. */
export interface FileUse {
  /** Must not be readable by others. */
  readonly secret?: boolean;
  /** Read again when it changes, so it has to be a regular file. */
  readonly followed?: boolean;
  /** Read as a kubeconfig, which has to be a regular file and may hold secrets. */
  readonly kubeconfig?: boolean;
}

/** An option without its name, which is its key in a topic. */
export interface Declaration<Value, Given extends GivenValue = GivenValue> {
  readonly kind: OptionKind;
  readonly description: string;
  readonly default?: Given;
  /** Shown for the value in the help; a boolean has none. */
  readonly placeholder?: string;
  /** A one-letter flag with the same meaning. */
  readonly short?: `-${string}`;
  /** Values separated by commas; the flag may be repeated. If there is a default, an empty value means an empty list. */
  readonly isList?: boolean;
  /** For a list: commas are part of the value, and further values need a repeated flag. */
  readonly keepsCommas?: boolean;
  /** The accepted values; for a boolean, those besides true and false. */
  readonly choices?: readonly string[];
  /** For values that contain paths: replaces each path in the value. */
  readonly replacePaths?: (value: string, replace: (path: string) => string) => string;
  readonly file?: FileUse;
  /** Parses the given value or the default. Throws an Error that says what is wrong, without the option's name. */
  readonly parse: (given: GivenValue) => Value;
  /** The value if nothing is given and there is no default. */
  readonly absent: Value;
}

/** A declared option: the source of the command line, its help, the schema, the documentation and doctor. */
export type Option<Value = unknown, Given extends GivenValue = GivenValue> = Declaration<Value, Given> & {
  /** In a configuration file and in a program. */
  readonly key: string;
  /** On the command line. */
  readonly name: `--${string}`;
};

type Declarations = Readonly<Record<string, Declaration<unknown>>>;
type ValueOf<Declared> = Declared extends Declaration<infer Value> ? Value : never;
type GivenOf<Declared> = Declared extends { readonly default?: infer Given }
  ? Exclude<Given, undefined>
  : never;

/** A group of options with its rules. */
export interface Topic<Declared extends Declarations = Declarations> {
  /** In the help and in docs/flags.md. Consecutive topics may share one. */
  readonly heading: string;
  readonly options: {
    readonly [Key in keyof Declared]: Option<ValueOf<Declared[Key]>, GivenOf<Declared[Key]>>;
  };
  readonly rules: readonly Rule[];
  /** The checked values of its options. @throws UsageError naming the first invalid option. */
  read(given: GivenOptions): { readonly [Key in keyof Declared]: ValueOf<Declared[Key]> };
}

type Intersection<Union> = (Union extends unknown ? (one: Union) => void : never) extends (
  all: infer All,
) => void
  ? All
  : never;
type OptionsIn<Topics extends readonly Topic[]> = Intersection<Topics[number]['options']>;

/** What a program may pass for the options of some topics. */
export type OptionsOf<Topics extends readonly Topic[]> = {
  readonly [Key in keyof OptionsIn<Topics>]?: GivenOf<OptionsIn<Topics>[Key]>;
};

/** A rule between options of a topic, named by their keys. */
export type Rule<Key extends string = string> =
  | { readonly kind: 'needs'; readonly keys: readonly Key[] | 'others'; readonly anyOf: readonly Key[] }
  | { readonly kind: 'excludes'; readonly key: Key; readonly other: Key }
  | { readonly kind: 'together'; readonly keys: readonly [Key, Key] };

/** Each of `keys` that is given needs one of `anyOf`. */
export function needs<const Key extends string>(keys: Key | readonly Key[], ...anyOf: Key[]): Rule<Key> {
  return { kind: 'needs', keys: typeof keys === 'string' ? [keys] : keys, anyOf };
}

/** Each option of the topic that is given needs `key`. */
export function othersNeed<const Key extends string>(key: Key): Rule<Key> {
  return { kind: 'needs', keys: 'others', anyOf: [key] };
}

/** `key` cannot be combined with `other`; the error names `key`. */
export function excludes<const Key extends string>(key: Key, other: Key): Rule<Key> {
  return { kind: 'excludes', key, other };
}

/** Each needs the other. */
export function together<const Key extends string>(one: Key, other: Key): Rule<Key> {
  return { kind: 'together', keys: [one, other] };
}

/** Options under a heading. The key is the option's name; its flag is the same in kebab case. */
export function topic<Declared extends Declarations>(
  heading: string,
  declarations: Declared,
  rules: readonly Rule<NoInfer<keyof Declared & string>>[] = [],
): Topic<Declared> {
  const options = Object.fromEntries(
    Object.entries(declarations).map(([key, declared]) => [key, { ...declared, key, name: flagName(key) }]),
  ) as unknown as Topic<Declared>['options'];
  return topicOf(heading, options, rules);
}

/** The same topic with only some of its options. */
export function only<Declared extends Declarations, Key extends keyof Declared & string>(
  { heading, options }: Topic<Declared>,
  ...keys: readonly Key[]
): Topic<Pick<Declared, Key>> {
  const chosen = Object.fromEntries(keys.map((key) => [key, options[key]]));
  return topicOf(heading, chosen as unknown as Topic<Pick<Declared, Key>>['options'], []);
}

function topicOf<Declared extends Declarations>(
  heading: string,
  options: Topic<Declared>['options'],
  rules: readonly Rule[],
): Topic<Declared> {
  const byKey: Readonly<Record<string, Option>> = options;
  return {
    heading,
    options,
    rules,
    read: (given) => {
      const entries = Object.entries(byKey).map(([key, option]) => [key, valueOf(option, given)] as const);
      const values = Object.fromEntries(entries);
      for (const rule of rules) checkRule(rule, Object.keys(byKey), given, values);
      return values as ReturnType<Topic<Declared>['read']>;
    },
  };
}

export function optionsIn(topics: readonly Topic[]): readonly Option[] {
  return topics.flatMap(({ options }) => Object.values(options));
}

/** The flag of an option, spelled as Kubernetes or kcp spells it if they have it. */
export function flagName(key: string): `--${string}` {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export function isGiven(given: GivenOptions, { key }: Option): boolean {
  return given[key] !== undefined;
}

/** The value of an option, given or default. @throws UsageError naming the option. */
export function valueOf<Value>(option: Option<Value>, given: GivenOptions): Value {
  const value = given[option.key] ?? option.default;
  return value === undefined ? option.absent : blaming(option, () => option.parse(value));
}

/** The text to display, given or default; empty if there is neither. */
export function textOf(option: Option, given: GivenOptions = {}): string {
  const value = given[option.key] ?? option.default ?? '';
  return typeof value === 'object' ? value.join(',') : String(value);
}

/** Splits the text of a list into its values. */
export function splitList(option: Option, text: string): readonly string[] {
  if (option.keepsCommas === true) return [text];
  return text === '' && option.default !== undefined ? [] : text.split(',');
}

export function fault({ name }: Option, message: string): UsageError {
  return new UsageError(`${name}: ${message}`);
}

/** Runs `make`; its error names the option, unless it already names another. */
export function blaming<Value>({ name }: { readonly name: string }, make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    throw error instanceof UsageError ? error : usageError(name, error);
  }
}

/** `keys`: of all options of the topic. */
function checkRule(
  rule: Rule,
  keys: readonly string[],
  given: GivenOptions,
  values: Readonly<Record<string, unknown>>,
): void {
  const has = (key: string): boolean => given[key] !== undefined;
  const blame = (key: string, message: string): never => {
    throw new UsageError(`${flagName(key)}: ${message}`);
  };
  switch (rule.kind) {
    case 'needs': {
      const needy = rule.keys === 'others' ? keys : rule.keys;
      const lonely = needy.find((key) => has(key) && !rule.anyOf.includes(key));
      if (lonely === undefined || rule.anyOf.some((key) => isSet(values[key]))) return;
      return blame(lonely, `needs ${rule.anyOf.map(flagName).join(' or ')}`);
    }
    case 'excludes':
      if (has(rule.key) && has(rule.other)) {
        blame(rule.key, `cannot be combined with ${flagName(rule.other)}`);
      }
      return;
    case 'together': {
      const missing = rule.keys.find((key) => !has(key));
      const beside = rule.keys.find(has);
      if (missing === undefined || beside === undefined) return;
      return blame(missing, `required with ${flagName(beside)}`);
    }
  }
}

function isSet(value: unknown): boolean {
  const isEmpty = Array.isArray(value) ? value.length === 0 : value instanceof Map && value.size === 0;
  return value !== undefined && value !== false && !isEmpty;
}
