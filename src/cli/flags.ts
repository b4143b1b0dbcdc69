import { Option, type Command } from 'commander';

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
  readonly default?: string;
  readonly description: string;
}

/** What was given, before any of it is understood: one string a flag, all of them for a list. */
export type FlagValues = Readonly<Record<string, string | true | readonly string[] | undefined>>;

export function addFlags(command: Command, flags: readonly Flag[]): Command {
  for (const flag of flags) {
    const value = flag.value === undefined ? '[boolean]' : `<${flag.value}>`;
    const names = flag.short === undefined ? flag.name : `${flag.short}, ${flag.name}`;
    const option = new Option(`${names} ${value}`, describe(flag));
    if (flag.isList) {
      option.argParser((text: string, earlier: readonly string[] | undefined) => [
        ...(earlier ?? []),
        ...(text === '' && flag.default !== undefined ? [] : text.split(',')),
      ]);
    }
    command.addOption(option);
  }
  return command;
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
