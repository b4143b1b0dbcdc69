import {
  apiVersion,
  fieldsOf,
  isPath,
  kind,
  patterns,
  readConfigurationFile,
  throwAllFaults,
  type FieldValue,
} from './configuration-file.js';
import { type Option, type Topic, isGiven, optionsIn, valueOf, type GivenOptions } from './option.js';
import { UsageError } from './usage-error.js';
import { startTopics, startOptions } from './start-topics.js';
import { general } from './general-options.js';

type Schema = Readonly<Record<string, unknown>>;

/**
 * JSON Schema (draft 07) of the configuration file: the shape that `parseConfiguration` accepts. Whether values fit
 * each other and the files they name can only be checked by a start.
 */
export function configurationSchema(topics: readonly Topic[] = startTopics): Schema {
  const fields = [...fieldsOf(topics)].map(([name, option]) => [name, fieldSchema(option)] as const);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: kind,
    description: 'Configuration of kcp-metrics-filter: a field for each flag of `kcp-metrics-filter start`.',
    type: 'object',
    required: ['apiVersion', 'kind'],
    additionalProperties: false,
    properties: {
      apiVersion: { const: apiVersion, description: 'version of this schema' },
      kind: { const: kind, description: 'kind of this file' },
      ...Object.fromEntries(fields),
    },
  };
}

function fieldSchema(option: Option): Schema {
  const { description, default: preset } = option;
  const isBelow = isPath(option) || option.replacePaths !== undefined;
  return {
    description: isBelow
      ? `${description}; a relative path is resolved against this file's directory`
      : description,
    ...(option.isList === true ? listSchema(option) : valueSchema(option)),
    ...(preset !== undefined && { default: preset }),
  };
}

const anyText: Schema = { type: 'string', pattern: patterns.text };

function valueSchema({ kind: kindOf, choices }: Option): Schema {
  switch (kindOf) {
    case 'boolean':
      return choices === undefined ? { type: 'boolean' } : { enum: [true, false, ...choices] };
    case 'integer':
      return { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
    case 'duration':
      return { type: 'string', pattern: patterns.duration };
    case 'file':
    case 'directory':
    case 'pair':
    case 'text':
      return choices === undefined ? anyText : { type: 'string', enum: choices };
  }
}

/** A list, or the string that the flag takes; for pairs, also a map. */
function listSchema(option: Option): Schema {
  const isMap = option.kind === 'pair';
  const least = option.default === undefined ? 1 : 0;
  return {
    type: ['string', 'array', ...(isMap ? ['object'] : [])],
    pattern: patterns.text,
    items: valueSchema(option),
    minItems: least,
    ...(isMap && {
      propertyNames: { pattern: patterns.pairName },
      additionalProperties: anyText,
      minProperties: least,
    }),
  };
}

/**
 * Merges the command line with the file that `config` names; the command line wins, and the file's value is then not
 * checked. Fields of options that the command does not take are ignored. @throws UsageError naming the option, or the
 * file and, one a line, each line and field that is wrong.
 */
export async function configuredOptions(given: GivenOptions, topics: readonly Topic[]) {
  const file = valueOf(general.options.config, given) ?? '';
  const keys = new Set(optionsIn(topics).map(({ key }) => key));
  const found = [...(await readConfigurationFile(file)).values()].filter(
    ({ option }) => keys.has(option.key) && !isGiven(given, option),
  );
  const origins = new Map(found.map((field) => [field.option.name as string, field]));
  const all = { ...given, ...Object.fromEntries(found.map(({ option, value }) => [option.key, value])) };
  const named = (message: string): string => withConfigFieldNames(message, file, given, origins);
  const checks: readonly (() => unknown)[] = [
    ...found.map((field) => () => valueOf(field.option, all)),
    ...topics.map((options) => () => options.read(all)),
  ];
  return {
    given: all,
    /** Replaces flag names in a message by `file:line: field` for options that come from the file. */
    withConfigFieldNames: named,
    /** Looks at every value and rule, without opening a file. @throws UsageError with all faults, one a line. */
    check: () => {
      throwAllFaults(checks, (check) => {
        try {
          check();
        } catch (error) {
          throw error instanceof UsageError ? new UsageError(named(error.message)) : error;
        }
      });
    },
  };
}

const flagNames = /(?<![\w-])--[a-z][a-z0-9-]*/g;

/** A message begins with the flags to mend. `origins`: what came from the file, by the flag's name. */
function withConfigFieldNames(
  message: string,
  file: string,
  given: GivenOptions,
  origins: ReadonlyMap<string, FieldValue>,
): string {
  const [head = ''] = /^--[a-z0-9-]+(?:, --[a-z0-9-]+)*/.exec(message) ?? [];
  const blamed = origins.get(head.split(', ').find((name) => origins.has(name)) ?? '');
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
