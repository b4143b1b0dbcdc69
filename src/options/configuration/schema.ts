import { kindOf } from '../flag-kind.js';
import type { Flag } from '../flags.js';
import { apiVersion, fields, isMap, kind, patterns, wordsBeside } from './fields.js';

/** A JSON Schema, or a part of one. */
export type Schema = Readonly<Record<string, unknown>>;

/**
 * What a configuration file may hold (JSON Schema, draft 07): the shape that `parseConfiguration` accepts. Whether
 * the values fit each other, and the files that they name, is a start's to find out.
 */
export function configurationSchema(): Schema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: kind,
    description: 'Configuration of kcp-metrics-filter: a field for each flag of `kcp-metrics-filter start`.',
    type: 'object',
    required: ['apiVersion', 'kind'],
    additionalProperties: false,
    properties: {
      apiVersion: { const: apiVersion, description: 'version of this schema' },
      kind: { const: kind, description: 'what the file is' },
      ...Object.fromEntries([...fields].map(([name, flag]) => [name, fieldSchema(flag)])),
    },
  };
}

function fieldSchema(flag: Flag): Schema {
  const shape = flag.isList === true ? listSchema(flag) : valueSchema(flag);
  return {
    description: descriptionOf(flag),
    ...shape,
    ...(flag.default === undefined ? {} : { default: defaultOf(flag, flag.default) }),
  };
}

const anyText: Schema = { type: 'string', pattern: patterns.text };

function valueSchema(flag: Flag): Schema {
  const kind = kindOf(flag);
  switch (kind) {
    case 'boolean': {
      const words = wordsBeside(flag);
      return words.length === 0 ? { type: 'boolean' } : { enum: [true, false, ...words] };
    }
    case 'integer':
      return { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
    case 'duration':
      return { type: 'string', pattern: patterns.duration };
    case 'file':
    case 'directory':
    case 'pair':
    case 'text':
      return flag.choices === undefined ? anyText : { type: 'string', enum: flag.choices };
  }
}

/** A list, or the string that the flag takes; of pairs, a map as well. */
function listSchema(flag: Flag): Schema {
  const least = flag.default === undefined ? 1 : 0;
  return {
    type: ['string', 'array', ...(isMap(flag) ? ['object'] : [])],
    pattern: patterns.text,
    items: valueSchema(flag),
    minItems: least,
    ...(isMap(flag)
      ? {
          propertyNames: { pattern: patterns.pairName },
          additionalProperties: anyText,
          minProperties: least,
        }
      : {}),
  };
}

function descriptionOf(flag: Flag): string {
  const isPath = ['file', 'directory'].includes(kindOf(flag)) || flag.replacePaths !== undefined;
  return isPath
    ? `${flag.description}; a relative path is one below this file's directory`
    : flag.description;
}

function defaultOf(flag: Flag, text: string): unknown {
  if (flag.isList === true) return text === '' ? [] : text.split(',');
  switch (kindOf(flag)) {
    case 'boolean':
      return text === 'true' || (text === 'false' ? false : text);
    case 'integer':
      return Number(text);
    case 'duration':
    case 'file':
    case 'directory':
    case 'pair':
    case 'text':
      return text;
  }
}
