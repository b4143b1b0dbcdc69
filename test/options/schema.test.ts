import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { apiVersion, fieldsOf, kind, parseConfiguration } from '../../src/options/configuration-file.js';
import { configurationSchema } from '../../src/options/configuration.js';
import type { Option } from '../../src/options/option.js';
import { startTopics } from '../../src/options/start-topics.js';
import { UsageError } from '../../src/options/usage-error.js';
import { runCli } from '../support/started-server.js';
import { words } from '../support/words.js';

const fields = fieldsOf(startTopics);
const root = fileURLToPath(new URL('../../', import.meta.url));
const isValid = new Ajv({ strict: true, allowUnionTypes: true }).compile(configurationSchema());

function isRead(text: string): boolean {
  try {
    parseConfiguration(Buffer.from(text), '/config.yaml');
    return true;
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}

describe('the schema of a configuration file', () => {
  it('is valid, has a field for each flag, and each says what it means', () => {
    const { properties } = configurationSchema() as {
      properties: Readonly<Record<string, { description: string }>>;
    };
    expect(Object.keys(properties).slice(2)).toEqual([...fields.keys()]);
    for (const [name, { description }] of Object.entries(properties)) {
      expect(description, name).not.toBe('');
      expect(description, name).toContain(fields.get(name)?.description ?? '');
    }
  });

  it('takes every default', () => {
    const { properties } = configurationSchema() as {
      properties: Readonly<Record<string, { default?: unknown }>>;
    };
    const defaults = Object.entries(properties).filter(([, { default: preset }]) => preset !== undefined);
    expect(defaults.length).toBeGreaterThan(10);
    for (const [name, { default: preset }] of defaults) {
      expect(isValid({ apiVersion, kind, [name]: preset }), name).toBe(true);
    }
  });

  it('is printed by a command, and is in the package', async () => {
    const { code, stdout } = await runCli(['schema']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(configurationSchema())));
    expect(readFileSync(join(root, 'dist/config.schema.json'), 'utf8')).toBe(stdout);
  });

  const folder = join(root, 'examples/configuration');
  const examples = readdirSync(folder).filter((file) => file.endsWith('.yaml'));

  it.each(examples)('takes examples/configuration/%s, as a start does', async (file) => {
    const { parse } = await import('yaml');
    const text = readFileSync(join(folder, file), 'utf8');
    expect(isValid(parse(text)), JSON.stringify(isValid.errors)).toBe(true);
    expect(isRead(text)).toBe(true);
  });
});

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom(...words('- a=b true 1 30s 1h5 null ~ << a,b *a'), '', '\t', '\u007f', '\u0085'),
);
const scalar = fc.oneof(
  text,
  fc.boolean(),
  fc.constant(null),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const anything = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(text, scalar, { maxKeys: 3 }),
  fc.array(fc.array(text, { maxLength: 1 }), { maxLength: 2 }),
  fc.dictionary(text, fc.array(text, { maxLength: 1 }), { maxKeys: 2 }),
);

/** Mostly what the field takes. */
function valueFor(flag: Option): fc.Arbitrary<unknown> {
  const words = flag.choices === undefined ? text : fc.constantFrom(...flag.choices);
  const list = fc.array(words, { maxLength: 3 });
  const map = fc.dictionary(text, text, { maxKeys: 3 });
  const counts = fc.oneof(fc.nat(), fc.constantFrom(-0, 1e15, 2 ** 53, 1e21, 0.5));
  const duration = fc.constantFrom('5s', '1h30m', '1.5h', '500ms', '5', 's');
  return fc.oneof(anything, words, list, map, counts, duration, fc.boolean());
}

const names = [...fields.keys()];
const configurations = fc
  .uniqueArray(fc.oneof({ arbitrary: fc.constantFrom(...names), weight: 20 }, text), { maxLength: 3 })
  .chain((chosen) =>
    fc.tuple(
      ...chosen.map((name) => {
        const flag = fields.get(name);
        return fc.tuple(fc.constant(name), flag === undefined ? anything : valueFor(flag));
      }),
    ),
  )
  .map((entries) => ({ apiVersion, kind, ...(Object.fromEntries(entries) as Record<string, unknown>) }));

describe('the schema and a start', () => {
  it.each([
    ['JSON', (value: unknown) => JSON.stringify(value)],
    ['indented JSON', (value: unknown) => JSON.stringify(value, undefined, '\t')],
    ['YAML', (value: unknown) => stringify(value, { aliasDuplicateObjects: false })],
  ])('are of one mind of every shape, in %s', (_, write) => {
    const seen = { valid: 0, invalid: 0 };
    fc.assert(
      fc.property(configurations, (configuration) => {
        const valid = isValid(configuration);
        seen[valid ? 'valid' : 'invalid'] += 1;
        expect(isRead(write(configuration)), JSON.stringify(isValid.errors)).toBe(valid);
      }),
      { numRuns: 3000 },
    );
    expect(seen.valid).toBeGreaterThan(300);
    expect(seen.invalid).toBeGreaterThan(300);
  });

  it('are of one mind of each field alone', () => {
    for (const [name, flag] of fields) {
      fc.assert(
        fc.property(valueFor(flag), (value) => {
          const configuration = { apiVersion, kind, [name]: value };
          expect(isRead(JSON.stringify(configuration)), name).toBe(isValid(configuration));
        }),
        { numRuns: 60 },
      );
    }
  });

  it.each([
    ['no object', []],
    ['no kind', { apiVersion }],
    ['another kind', { apiVersion, kind: 'Secret' }],
    ['another version', { apiVersion: 'v1', kind }],
    ['a field that is none', { apiVersion, kind, tlsCertfile: 'a' }],
  ])('refuse %s', (_, value) => {
    expect([isValid(value), isRead(JSON.stringify(value))]).toEqual([false, false]);
  });

  it('any bytes are read or refused, in one line', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isHeaded) => {
        const head = isHeaded ? `apiVersion: ${apiVersion}\nkind: ${kind}\n` : '';
        try {
          parseConfiguration(Buffer.concat([Buffer.from(head), bytes]), 'config.yaml');
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
          expect((error as UsageError).message).toMatch(/^config\.yaml:\d+: [^\n]+$/);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
