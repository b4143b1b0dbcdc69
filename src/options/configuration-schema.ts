import { apiVersion, fieldsOf, isPath, kind, patterns } from './configuration-file.js';
import type { Option, Topic } from './option.js';
import { startTopics } from './start-topics.js';

/** A JSON Schema, or a part of one. */
type Schema = Readonly<Record<string, unknown>>;

/**
 * What a configuration file may hold (JSON Schema, draft 07): the shape that `parseConfiguration` accepts. Whether
 * the values fit each other, and the files that they name, is found out by a start.
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
      kind: { const: kind, description: 'what the file is' },
      ...Object.fromEntries(fields),
    },
  };
}

function fieldSchema(option: Option): Schema {
  const { description, default: preset } = option;
  const isBelow = isPath(option) || option.replacePaths !== undefined;
  return {
    description: isBelow ? `${description}; a relative path is one below this file's directory` : description,
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

/** A list, or the string that the flag takes; of pairs, a map as well. */
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
