import { isGiven, keyOf, valueOf, type Flag, type FlagValues } from '../flags.js';
import { configFlag } from './config-flag.js';
import { readConfigurationFile, type FieldValue } from './configuration-file.js';
import { fields } from './fields.js';

/** What a command line and its configuration file say together. */
export interface ConfiguredValues {
  readonly values: FlagValues;
  /** A message on flags, in the words of the file where it is about what stands there: `file:line: field: …`. */
  readonly inOwnWords: (message: string) => string;
}

/**
 * The values given, and behind them those of the file that `--config` names: of a flag that is in both, the file's
 * is not looked at. Of a command that knows fewer flags, the other fields of the file have no meaning.
 *
 * @throws UsageError naming the flag, or the file, its line and the field.
 */
export async function configuredValues(given: FlagValues, flags: readonly Flag[]): Promise<ConfiguredValues> {
  const file = valueOf(given, configFlag);
  if (file === undefined) return { values: given, inOwnWords: (message) => message };
  const names = new Set(flags.map(({ name }) => name));
  const found = [...(await readConfigurationFile(file))].filter(
    ([, { flag }]) => names.has(flag.name) && !isGiven(given, flag),
  );
  const values = { ...given, ...Object.fromEntries(found.map(([key, { value }]) => [key, value])) };
  const origins = new Map(found.map(([, field]): [string, FieldValue] => [field.flag.name, field]));
  return { values, inOwnWords: (message) => translate(message, { file, given, origins }) };
}

interface Origins {
  readonly file: string;
  readonly given: FlagValues;
  /** By the flag's name: what came from the file. */
  readonly origins: ReadonlyMap<string, FieldValue>;
}

const flagNames = /(?<![\w-])--[a-z][a-z0-9-]*/g;
const flagsByName = new Map<string, Flag>([...fields.values()].map((flag) => [flag.name, flag]));

/** A message begins with the flags to mend. */
function translate(message: string, { file, given, origins }: Origins): string {
  const [head = ''] = /^--[a-z0-9-]+(?:, --[a-z0-9-]+)*/.exec(message) ?? [];
  const blamed = head
    .split(', ')
    .map((name) => origins.get(name))
    .find((field) => field !== undefined);
  if (blamed === undefined) {
    return message.replace(flagNames, (name) => {
      const field = origins.get(name);
      return field === undefined ? name : `${keyOf(field.flag)} (${file}:${field.line})`;
    });
  }
  const inWords = message.replace(flagNames, (name) => {
    const flag = flagsByName.get(name);
    return flag === undefined || isGiven(given, flag) ? name : keyOf(flag);
  });
  return `${file}:${blamed.line}: ${inWords}`;
}
