import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDocument, stringify } from 'yaml';
import { type LabelMapping, readLabelMapping } from '../../../src/exposition/relabelling/label-mapping.js';
import { FollowedFiles } from '../../../src/files/followed-files.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { LabelMappingError } from '../../../src/exposition/exposition-errors.js';
import { words } from '../../support/words.js';

const read = (text: string | Buffer): Promise<LabelMapping> =>
  readLabelMapping([{ file: 'names.yaml', bytes: Buffer.from(text) }]);

describe('a mapping file', () => {
  it.each([
    ['block YAML', 'labels:\n  namespace:\n    host-a: team-a # his\n\n    "host b": \'team b\'\n'],
    ['flow YAML', '{labels: {namespace: {host-a: team-a, "host b": "team b",}}} # end'],
    [
      'JSON',
      JSON.stringify({ labels: { namespace: { 'host-a': 'team-a', 'host b': 'team b' } } }, null, '\t'),
    ],
    ['a document that is marked', '---\nlabels:\n  namespace: {"host-a": team-a, "host b": team b}\n'],
    ['a byte order mark', '\ufefflabels: {namespace: {host-a: team-a, "host b": team b}}'],
  ])('is read: %s', async (_what, text) => {
    const mapping = await read(text);
    expect(mapping.labels).toEqual(['namespace']);
    const table = mapping.tableOf('namespace');
    expect(['host-a', 'host b', 'host-c'].map((value) => table?.get(value))).toEqual([
      'team-a',
      'team b',
      undefined,
    ]);
  });

  it('holds text alone: nothing is a number, a truth or nothing', async () => {
    const table = (await read('labels: {a: {1: 0x10, true: no, null: ~, 2026-01-01: 1.0}}')).tableOf('a');
    expect(['1', 'true', 'null', '2026-01-01'].map((value) => table?.get(value))).toEqual([
      '0x10',
      'no',
      '~',
      '1.0',
    ]);
  });

  it('may say of a label that nothing of it is known', async () => {
    expect((await read('labels: {namespace: {}}')).labels).toEqual(['namespace']);
  });

  it.each([
    ['', '1: is empty'],
    ['# nothing\n', '1: is empty'],
    ['labels:\n', '1: labels: has no value'],
    ['labels: {}\n', '1: labels: must name a label'],
    ['labels:\n  namespace:\n', '2: labels.namespace: has no value'],
    ['label: {}\n', '1: only one entry, "labels", may stand here'],
    ['labels: {a: {b: c}}\nmore: {}\n', '2: only one entry, "labels", may stand here'],
    ['- labels\n', '1: must be an object'],
    ['text\n', '1: must be an object'],
    ['labels:\n  a: [b]\n', '2: must be an object'],
    ['labels:\n  a: b\n', '2: must be an object'],
    ['labels:\n  a-b:\n    c: d\n', '2: labels: "a-b" is no label name'],
    ['labels:\n  le:\n    c: d\n', '2: labels: "le" belongs to histograms and summaries'],
    ['labels:\n  __name__:\n    c: d\n', '2: labels: "__name__" is reserved to Prometheus'],
    ['labels:\n  a:\n    b: c\n  a:\n    d: e\n', '4: labels: "a" stands twice'],
    ['labels:\n  a:\n    b: c\n    b: d\n', '4: labels.a: "b" is mapped twice'],
    ['labels:\n  a:\n    b:\n', '3: has no value'],
    ['labels:\n  a:\n    b: ""\n', '3: labels.a: "b" is mapped to nothing'],
    ['labels:\n  a:\n    "": b\n', '3: labels.a: the empty value cannot be mapped'],
    ['labels:\n  a:\n    b: [c]\n', '3: must be text'],
    ['labels:\n  a:\n    b: |\n      c\n', '3: must be text'],
    ['labels:\n  a: &x\n    b: c\n', '2: has a mark that is not read here: only plain objects and text are'],
    ['labels:\n  a:\n    b: *x\n', '3: must be text'],
    [
      'labels:\n  a:\n    b: !!str c\n',
      '3: has a mark that is not read here: only plain objects and text are',
    ],
    ['labels:\n  a:\n    <<: {b: c}\n', '3: is no plain key'],
    [
      'labels:\n  a:\n    ? b\n    : c\n',
      '3: has a mark that is not read here: only plain objects and text are',
    ],
    ['labels:\n  a:\n    b: "\\z"\n', '3: is no valid text'],
    ['labels:\n  a:\n    b: "c\n', '3: is no valid text'],
    ['labels:\n  a:\n    b: c\n   d: e\n', '4: is indented otherwise than its neighbours'],
    ['labels: a: {b: c}\n', '1: holds an object that begins on the same line'],
    ['{"labels": {"a": {"b": "c"}}', '1: is not closed'],
    ['{"labels": {"a": {"b": "c" "d": "e"}}}', '1: holds an object without braces'],
    ['{"labels": {"a": {"b" "c"}}}', '1: has no ":" behind its key'],
    ['labels: {a: {b: c}}\n---\nlabels: {a: {b: c}}\n', '2: holds a second document'],
    ['labels: {a: {b: c}} more\n', '1: '],
    ['%YAML 1.2\n---\nlabels: {a: {b: c}}\n', '1: is not YAML, or not its plain part'],
  ])('is refused with its line: %j', async (text, message) => {
    const error: unknown = await read(text).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LabelMappingError);
    expect(error).toMatchObject({ code: 'ERR_LABEL_MAPPING' });
    expect(String(error)).toContain(`names.yaml:${message}`);
  });

  it('is refused where it is no UTF-8, or too large', async () => {
    await expect(read(Buffer.from('labels: {a: {b: \xff}}', 'latin1'))).rejects.toThrow(
      'names.yaml:1: is not UTF-8',
    );
    await expect(read(Buffer.alloc(4 * 1024 * 1024 + 1, ' '))).rejects.toThrow('names.yaml:1: larger than');
  });

  it('never means anything else than in YAML', async () => {
    const fragment = fc.constantFrom(
      ...words('labels a b : { } , " \' # - [ ] ? *x | > ü'),
      ...Array.from(' \n\t\\'),
      ': ',
      '  ',
      '\n  ',
      '\n    ',
      ', ',
      ' #',
      '- ',
      '? ',
      '&x ',
      '!t ',
      '---\n',
      '...\n',
      '\r\n',
    );
    const nested = fc
      .dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 }))
      .chain((table) =>
        fc.constantFrom(stringify({ labels: { a: table } }), JSON.stringify({ labels: { a: table } })),
      );
    const damaged = fc
      .tuple(
        fc.oneof(
          fc.constant('labels:\n  a:\n    b: c\n    d: e\n'),
          fc.constant('{labels: {a: {b: c, d: e}}}'),
          nested,
        ),
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 2 }), fragment), { maxLength: 3 }),
      )
      .map(([text, edits]) =>
        edits.reduce((so, [at, cut, put]) => {
          const place = at % (so.length + 1);
          return so.slice(0, place) + put + so.slice(place + cut);
        }, text),
      );
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(damaged, async (text) => {
        let mapping: LabelMapping;
        try {
          mapping = await read(text);
        } catch (error) {
          expect(error).toBeInstanceOf(LabelMappingError);
          return;
        }
        const document = parseDocument(text, { schema: 'failsafe' });
        // Of what is laid out too oddly for YAML, nothing can be meant.
        if (document.errors.length > 0) return;
        const { labels } = document.toJS() as { labels: Record<string, Record<string, string>> };
        accepted += 1;
        expect(mapping.labels).toEqual(Object.keys(labels));
        for (const [label, values] of Object.entries(labels)) {
          for (const [from, to] of Object.entries(values)) {
            expect(mapping.tableOf(label)?.get(asExposed(from))).toBe(asExposed(to));
          }
        }
      }),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it('of 15,000 names does not hold the event loop', async () => {
    const lines = Array.from(
      { length: 15_000 },
      (_, at) => `    host-namespace-${at}-x-virtual: team-${at}\n`,
    );
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    const mapping = await read(`labels:\n  namespace:\n${lines.join('')}`);
    clearInterval(timer);
    expect(mapping.tableOf('namespace')?.get('host-namespace-14999-x-virtual')).toBe('team-14999');
    expect(turns).toBeGreaterThan(3);
  });
});

describe('a mapping file that is followed', () => {
  const directory = temporaryDirectory();

  it('is taken over when it is whole, and stays in force while it is not', async () => {
    const file = directory.write('names.yaml', 'labels: {namespace: {host-a: team-a}}');
    const results: string[] = [];
    const followed = await FollowedFiles.open({
      files: [file],
      parse: readLabelMapping,
      onReload: (result) => results.push(result.result === 'failure' ? result.message : result.result),
    });
    const nameOf = (): string | undefined => followed.current.tableOf('namespace')?.get('host-a');
    directory.write('names.yaml', 'labels: {namespace: {host-a: team-b}}');
    await followed.look();
    expect(nameOf()).toBe('team-b');
    directory.write('names.yaml', 'labels: {}');
    await followed.look();
    expect(nameOf()).toBe('team-b');
    expect(results).toEqual(['success', `${file}:1: labels: must name a label`]);
    followed.close();
  });
});

function asExposed(value: string): string {
  const text = value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
  return Buffer.from(text).toString('latin1');
}
