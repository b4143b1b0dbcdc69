import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonItems } from '../../../src/kubernetes/reflector/json-items.js';
import { inChunks } from './chunks.js';
import { MalformedError } from '../../../src/kubernetes/kubernetes-errors.js';
import { JsonLines } from '../../../src/kubernetes/reflector/json-lines.js';
import { anyCharacter } from '../../support/any-character.js';

interface Split {
  readonly items: readonly unknown[];
  readonly rest: ReadonlyMap<string, unknown>;
}

function split(chunks: readonly Buffer[], maxBytes?: number): Split {
  const splitter = new JsonItems(maxBytes);
  const items: unknown[] = [];
  for (const chunk of chunks) {
    splitter.write(chunk);
    for (let item = splitter.next(); item !== undefined; item = splitter.next()) items.push(item);
  }
  return { items, rest: splitter.end() };
}

const whole = (text: string, maxBytes?: number): Split => split([Buffer.from(text)], maxBytes);

/** JSON with white space of every kind between its parts. */
const spaced = fc
  .tuple(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom('', ' ', '\t', '\r\n', ' \n '))
  .map(([value, space]) => JSON.stringify(value, null, space.trim() === '' ? space : undefined));

const list = fc.record({
  before: fc.dictionary(
    fc.string().filter((key) => key !== 'items' && key !== '__proto__'),
    fc.jsonValue(),
  ),
  items: fc.array(spaced, { maxLength: 8 }),
  after: fc.jsonValue(),
  separator: fc.constantFrom(',', ' ,', ', ', '\n,\n'),
});

/** The text of a list, and what JSON.parse makes of it. */
const listText = list.map(({ before, items, after, separator }) => {
  const members = Object.entries({ ...before }).map(
    ([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  members.push(`"items" :[${items.join(separator)}]`, ` "\\u0061fter":${JSON.stringify(after)}`);
  return `{${members.join(',')}}\n`;
});

describe('a list in chunks', () => {
  it('splits into what JSON.parse finds in it, wherever it is cut', () => {
    fc.assert(
      fc.property(listText, fc.array(fc.nat(200), { maxLength: 20 }), (text, cuts) => {
        const { items, rest } = split(inChunks(Buffer.from(text), cuts));
        const { items: expected, ...others } = JSON.parse(text) as { items: unknown[] };
        expect(items).toEqual(expected);
        expect(Object.fromEntries(rest)).toEqual({ ...others, items: [] });
      }),
      { numRuns: 300 },
    );
  });

  it('is refused for whatever JSON.parse refuses it', () => {
    const mutation = fc.record({
      at: fc.nat(),
      remove: fc.nat(3),
      insert: fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', 'x', '0', ' ', '\u0000'),
    });
    fc.assert(
      fc.property(listText, mutation, fc.array(fc.nat(200), { maxLength: 5 }), (text, change, cuts) => {
        const at = change.at % text.length;
        const cut = text.slice(0, at) + change.insert + text.slice(at + change.remove);
        const mutated = cut.toWellFormed();
        let expected: unknown;
        try {
          expected = JSON.parse(mutated);
        } catch {
          expected = undefined;
        }
        let found: unknown;
        try {
          const { items, rest } = split(inChunks(Buffer.from(mutated), cuts));
          found = { ...Object.fromEntries(rest), ...(items.length === 0 ? {} : { items }) };
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
          found = undefined;
        }
        expect(found).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('never does more than give items or throw, whatever the bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
      fc
        .array(fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', '"items"', '1', ' '), {
          maxLength: 60,
        })
        .map((parts) => Buffer.from(parts.join(''))),
    );
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(20), { maxLength: 5 }), (text, cuts) => {
        try {
          split(inChunks(text, cuts));
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['nothing', ''],
    ['an array', '[1]'],
    ['a string', '"items"'],
    ['an end that comes too early', '{"items":[{"a":1},{"a":2}]'],
    ['an end in an item', '{"items":[{"a":1},{"a'],
    ['an end in a string', '{"items":[],"metadata":"\\'],
    ['two objects', '{"items":[]}{}'],
    ['items twice', '{"items":[1],"items":[2]}'],
    ['items that were null before', '{"items":null,"items":[2]}'],
    ['items that are null afterwards', '{"items":[1],"items":null}'],
    ['no comma between items', '{"items":[1 2]}'],
    ['a comma too many', '{"items":[1,]}'],
    ['only a comma', '{"items":[,]}'],
    ['two commas', '{"items":[1,,2]}'],
    ['a bracket that closes nothing', '{"items":[]]}'],
    ['a brace in the place of an item', '{"items":[}]}'],
    ['a colon in the place of an item', '{"items":[:]}'],
    ['a key that is no string', '{items:[]}'],
    ['a key with a broken escape', '{"\\x":[]}'],
    ['a member without value', '{"a":,"items":[]}'],
    ['a comma before the end', '{"items":[],}'],
  ])('%s is malformed', (_, text) => {
    expect(() => whole(text)).toThrow(MalformedError);
  });

  it('takes time in proportion to its keys, however many stand before its items', () => {
    const text = Buffer.from(`{${'"a":1,'.repeat(60_000)}"items":[1]}`);
    const started = performance.now();
    const cuts = new Array<number>(Math.floor(text.length / 65_536)).fill(65_536);
    expect(split(inChunks(text, cuts)).items).toEqual([1]);
    // If each key costs a copy of what stands before it, it is some seconds.
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  it('has its items only at the top', () => {
    const text =
      '{"a":{"items":[1]},"b":[{"items":[2]}],"items":[{"items":[3]},"items"],"c":"\\"items\\":[4]"}';
    expect(whole(text).items).toEqual([{ items: [3] }, 'items']);
  });

  it('may have no items, or null', () => {
    expect([...whole('{"kind":"Status"}').rest]).toEqual([['kind', 'Status']]);
    expect([...whole('{"items":null}').rest]).toEqual([['items', null]]);
  });

  it('keeps members that are named like those of every object', () => {
    const { rest } = whole('{"__proto__":{"a":1},"items":[]}');
    expect(rest.get('__proto__')).toEqual({ a: 1 });
  });

  it('is bounded in its depth', () => {
    const nested = (depth: number): string => `{"items":[${'['.repeat(depth)}${']'.repeat(depth)}]}`;
    expect(whole(nested(256)).items).toHaveLength(1);
    expect(() => whole(nested(257))).toThrow('nested deeper than 256 levels');
  });

  it('is bounded in the size of an item, in one chunk or in many', () => {
    const text = `{"items":["${'x'.repeat(98)}"]}`;
    expect(whole(text, 100).items).toHaveLength(1);
    expect(() => whole(text, 99)).toThrow('an item is larger than 99 bytes');
    expect(() => split(inChunks(Buffer.from(text), Array<number>(200).fill(7)), 99)).toThrow(MalformedError);
  });

  it('takes the largest object that etcd keeps, all of it escaped: else its owner would keep all others away', () => {
    const name = '<'.repeat(1.5 * 1024 * 1024);
    const object = JSON.stringify({ metadata: { name } }).replaceAll('<', '\\u003c');
    expect(whole(`{"items":[${object},{"metadata":{"name":"b"}}]}`).items).toEqual([
      { metadata: { name } },
      { metadata: { name: 'b' } },
    ]);
    expect(splitLines([Buffer.from(`${object}\n`)])).toEqual([object]);
  });

  it('is bounded in the size of all the rest, in one member or in many', () => {
    const mebibyte = 1024 * 1024;
    expect(() => whole(`{"metadata":"${'x'.repeat(mebibyte)}","items":[]}`)).toThrow(MalformedError);
    const members = Array.from({ length: 30 }, (_, at) => `"${at}":"${'x'.repeat(mebibyte / 20)}"`);
    expect(() => whole(`{${members.join(',')},"items":[]}`)).toThrow('what is not items is larger than');
  });

  it('is refused where an item is not UTF-8', () => {
    const text = Buffer.concat([Buffer.from('{"items":["'), Buffer.from([0xc3]), Buffer.from('"]}')]);
    expect(() => split([text])).toThrow('an item is not UTF-8');
  });
});

function splitLines(chunks: readonly Buffer[], maxBytes?: number): readonly string[] {
  const splitter = new JsonLines(maxBytes);
  const lines: string[] = [];
  for (const chunk of chunks) {
    splitter.write(chunk);
    for (let line = splitter.next(); line !== undefined; line = splitter.next()) lines.push(line);
  }
  splitter.end();
  return lines;
}

describe('lines in chunks', () => {
  it('are what stands between line ends, wherever they are cut', () => {
    const line = fc.string({ unit: anyCharacter }).map((text) => text.toWellFormed().replaceAll('\n', ''));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(20), { maxLength: 20 }), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
        expect(splitLines(inChunks(bytes, cuts))).toEqual(lines.filter((text) => text !== ''));
      }),
    );
  });

  it('of many bytes each, one by one, are put together again', () => {
    const text = '{"name":"größer 🎉"}';
    const bytes = Buffer.from(`${text}\n${text}\n`);
    expect(splitLines(inChunks(bytes, Array<number>(bytes.length).fill(1)))).toEqual([text, text]);
  });

  it('are malformed where the last has no end', () => {
    expect(() => splitLines([Buffer.from('{"a":1}\n{"b"')])).toThrow('ends in the middle of a line');
  });

  it('are malformed where one is not UTF-8', () => {
    expect(() => splitLines([Buffer.from([0x61, 0xff, 0x0a])])).toThrow(MalformedError);
    expect(() => splitLines([Buffer.from([0xf0, 0x9f]), Buffer.from([0x0a])])).toThrow('a line is not UTF-8');
  });

  it('are bounded, in one chunk or in many, also before they end', () => {
    const bytes = Buffer.from(`${'x'.repeat(100)}\n`);
    expect(splitLines([bytes], 100)).toHaveLength(1);
    expect(() => splitLines([bytes], 99)).toThrow('a line is larger than 99 bytes');
    expect(() => splitLines(inChunks(bytes.subarray(0, 100), Array<number>(50).fill(2)), 99)).toThrow(
      MalformedError,
    );
  });
});
