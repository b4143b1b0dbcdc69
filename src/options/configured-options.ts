import { readConfigurationFile, type FieldValue } from './configuration-file.js';
import { general } from './general-options.js';
import { isGiven, optionsIn, valueOf, type GivenOptions, type Topic } from './option.js';
import { startOptions } from './start-topics.js';

/** What a command line and its configuration file say together. */
export interface ConfiguredOptions {
  readonly given: GivenOptions;
  /** A message about options, with the names of a file's fields for what stands there: `file:line: field: …`. */
  readonly withConfigFieldNames: (message: string) => string;
}

/**
 * What is given on the command line, and behind it what the file that `config` names says: of an option that is in
 * both, the file's value is not looked at. For a command that takes fewer options, the other fields have no meaning.
 *
 * @throws UsageError naming the option, or the file, its line and the field.
 */
export async function configuredOptions(
  given: GivenOptions,
  topics: readonly Topic[],
): Promise<ConfiguredOptions> {
  const file = valueOf(general.options.config, given);
  if (file === undefined) return { given, withConfigFieldNames: (message) => message };
  const keys = new Set(optionsIn(topics).map(({ key }) => key));
  const found = [...(await readConfigurationFile(file))].filter(
    ([key, { option }]) => keys.has(key) && !isGiven(given, option),
  );
  const together = { ...given, ...Object.fromEntries(found.map(([key, { value }]) => [key, value])) };
  const origins = new Map(found.map(([, field]): [string, FieldValue] => [field.option.name, field]));
  return {
    given: together,
    withConfigFieldNames: (message) => withConfigFieldNames(message, { file, given, origins }),
  };
}

interface Origins {
  readonly file: string;
  readonly given: GivenOptions;
  /** By the flag's name: what came from the file. */
  readonly origins: ReadonlyMap<string, FieldValue>;
}

const flagNames = /(?<![\w-])--[a-z][a-z0-9-]*/g;

/** A message begins with the flags to mend. */
function withConfigFieldNames(message: string, { file, given, origins }: Origins): string {
  const [head = ''] = /^--[a-z0-9-]+(?:, --[a-z0-9-]+)*/.exec(message) ?? [];
  const blamed = head
    .split(', ')
    .map((name) => origins.get(name))
    .find((field) => field !== undefined);
  if (blamed === undefined) {
    return message.replace(flagNames, (name) => {
      const field = origins.get(name);
      return field === undefined ? name : `${field.option.key} (${file}:${field.line})`;
    });
  }
  const inWords = message.replace(flagNames, (name) => {
    const option = startOptions.find((one) => one.name === name);
    return option === undefined || isGiven(given, option) ? name : option.key;
  });
  return `${file}:${blamed.line}: ${inWords}`;
}
