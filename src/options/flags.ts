import { Option, type Command } from 'commander';

/** What a value is, or each one of a list: for the configuration file, its schema and the shell's completion. */
export type FlagKind = 'boolean' | 'integer' | 'duration' | 'file' | 'directory' | 'pair' | 'text';

/** One flag: the command line, `--help` and the README's table are made of these. */
export interface Flag {
  /** With its dashes, as Kubernetes or kcp spells it where they have it. */
  readonly name: `--${string}`;
  /** One letter that says the same. */
  readonly short?: `-${string}`;
  /** What stands for its value in `--help`; a boolean flag has none. */
  readonly value?: string;
  /** Values separated by commas; the flag may be repeated. Where it has a default, an empty value means none. */
  readonly isList?: boolean;
  /** Of a list: a comma is a part of its value, and more values need the flag once more. */
  readonly keepsCommas?: boolean;
  /** The only values it takes, if they are few. */
  readonly choices?: readonly string[];
  /** What its values are, where their name in `--help` does not say it: see `kindOf`. */
  readonly kind?: FlagKind;
  /** Where a value holds paths among other things: the same value with each of them replaced. */
  readonly replacePaths?: (value: string, replace: (path: string) => string) => string;
  readonly default?: string;
  readonly description: string;
}

/** Flags under a heading, of `--help` and of the README. */
export interface FlagTopic {
  readonly heading: string;
  readonly flags: readonly Flag[];
}

/** What was given, before any of it is understood: one string a flag, all of them for a list. */
export type FlagValues = Readonly<Record<string, string | true | readonly string[] | undefined>>;

/** `headingOf` says under which heading a flag stands in `--help`. */
export function addFlags(
  command: Command,
  flags: readonly Flag[],
  headingOf: (flag: Flag) => string,
): Command {
  for (const flag of flags) {
    const value = flag.value === undefined ? '[boolean]' : `<${flag.value}>`;
    const names = flag.short === undefined ? flag.name : `${flag.short}, ${flag.name}`;
    const option = new Option(`${names} ${value}`, describe(flag));
    if (flag.isList) {
      option.argParser((text: string, earlier: readonly string[] | undefined) => [
        ...(earlier ?? []),
        ...splitList(flag, text),
      ]);
    }
    command.addOption(option.helpGroup(`${headingOf(flag)}:`));
  }
  return command;
}

/** The values in one text of a list. */
export function splitList(flag: Flag, text: string): readonly string[] {
  if (flag.keepsCommas) return [text];
  return text === '' && flag.default !== undefined ? [] : text.split(',');
}

/** How commander names a flag's value. */
export function keyOf(flag: Flag): string {
  return new Option(flag.name).attributeName();
}

export function valueOf(values: FlagValues, flag: Flag): string | undefined {
  const value = values[keyOf(flag)];
  return typeof value === 'string' ? value : value === undefined ? flag.default : undefined;
}

export function booleanOf(values: FlagValues, flag: Flag): string | true {
  const value = values[keyOf(flag)];
  return typeof value === 'string' || value === true ? value : (flag.default ?? 'false');
}

export function isGiven(values: FlagValues, flag: Flag): boolean {
  return values[keyOf(flag)] !== undefined;
}

export function listOf(values: FlagValues, flag: Flag): readonly string[] {
  const value = values[keyOf(flag)];
  if (Array.isArray(value)) return value as readonly string[];
  return flag.default === undefined || flag.default === '' ? [] : flag.default.split(',');
}

function describe({ description, default: preset }: Flag): string {
  return preset === undefined ? description : `${description} (default ${preset === '' ? 'empty' : preset})`;
}
