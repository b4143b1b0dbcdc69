import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ExpositionFormat } from '../../../src/exposition/text-format/exposition-format.js';
import { Lines, PlainSampleReader } from '../../../src/exposition/text-format/plain-samples.js';
import { readSample } from '../../../src/exposition/text-format/sample-line.js';
import { words } from '../../support/words.js';

const anyLength = Infinity;

type Plain = NonNullable<ReturnType<PlainSampleReader['find']>>;

function plainSamplesAt(text: string, start: number, maxLength: number): Plain | undefined {
  return new PlainSampleReader('text', maxLength).find(new Lines(Buffer.from(text, 'latin1')), start, 1);
}

/** All plain samples of lines that come in two pieces, as one reader finds them; lines between are passed over. */
function* allPlain(pieces: readonly string[], format: ExpositionFormat): Generator<Plain> {
  const reader = new PlainSampleReader(format, anyLength);
  for (const text of pieces) {
    const lines = new Lines(Buffer.from(text, 'latin1'));
    for (let at = 0; at < text.length;) {
      const found = reader.find(lines, at, 1);
      if (found !== undefined) yield found;
      at = found?.end ?? text.indexOf('\n', at) + 1;
    }
  }
}

/** Each line ends where `readSample` says, and is what it writes, which has no last comma, no empty braces and no long number. */
function expectPlain({ text, sampleName, labelNames, lineEnds }: Plain, format: ExpositionFormat) {
  let start = 0;
  for (const end of lineEnds) {
    const sample = readSample(text, start, format);
    const line = text.slice(start, end);
    expect([sample.latin1Name, sample.end]).toEqual([sampleName, end]);
    if (!/,\}|\{\}|NAN|\d{20}/.test(line)) expect(sample.line).toBe(line);
    for (const label of labelNames) expect(line).toContain(`${label}="`);
    start = end;
  }
}

const name = fc.constantFrom('up', 'up_total', 'a:b', '_', 'Ab9');
const value = fc.constantFrom(
  ...words('1 -1.5 +3e+10 0.1E-7 NaN +Inf -Inf 0x1p4 1_0 .5 1. . 1e99 1e309 nan'),
  '9'.repeat(200),
  '9'.repeat(309),
  '',
);
const labelValue = fc.oneof(
  fc.constantFrom('', 'a', '{', '}', ',', '=', ' ', 'ü', '\\\\', '\\"', '\\n', '\\t', '"', '\\'),
  fc.string({ maxLength: 4 }),
);
const label = fc
  .tuple(fc.constantFrom('a', 'le', '_', '__name__', '__name__x', '9', ''), labelValue)
  .map(([key, text]) => `${key}="${text}"`);
const line = fc
  .record({
    name,
    labels: fc.option(fc.array(label, { maxLength: 3 })),
    separator: fc.constantFrom(',', ',', ',', '', ',,'),
    trailing: fc.constantFrom('', '', ','),
    value,
    behind: fc.constantFrom(
      '',
      '',
      ' 1700000000000',
      ' -1',
      ' 1.5',
      '  ',
      ' # {} 1',
      ' # {a="b",a="b"} 1 5',
      ' x',
    ),
  })
  .map(({ name: sample, labels, separator, trailing, value: number, behind }) => {
    const braced = labels === null ? '' : `{${labels.join(separator)}${trailing}}`;
    return Buffer.from(`${sample}${braced} ${number}${behind}\n`).toString('latin1');
  });

function many(labels: number): string {
  return Array.from({ length: labels }, (_, at) => `l${at}=""`).join(',');
}

describe('samples that are read as plain', () => {
  it.each(['text', 'openmetrics'] as const)('are what they are read as piece by piece: %s', (format) => {
    let plainLines = 0;
    const lines = fc.array(line, { minLength: 1, maxLength: 4 }).map((all) => all.join(''));
    fc.assert(
      fc.property(lines, lines, (one, other) => {
        for (const plain of allPlain([one, other, one], format)) {
          plainLines += plain.lineEnds.length;
          expectPlain(plain, format);
        }
      }),
      { numRuns: 4000 },
    );
    expect(plainLines).toBeGreaterThan(500);
  });

  it.each(['text', 'openmetrics'] as const)('are so when a line is like the one before: %s', (format) => {
    let plainLines = 0;
    const change = fc.record({
      at: fc.nat({ max: 70 }),
      deleted: fc.nat({ max: 2 }),
      inserted: fc.string({ unit: fc.constantFrom(...Array.from('a"\\n ={},1.eN_\0')), maxLength: 3 }),
    });
    const first = 'up_total{a="b",le="0.5",path="/x\\\\y\\"z",other="12345678"} 17 1700\n';
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const lines = changes.map(({ at, deleted, inserted }) => {
          const text = first.slice(0, -1);
          return `${text.slice(0, at)}${inserted}${text.slice(at + deleted)}\n`;
        });
        const text = [first, ...lines].join('');
        for (const plain of allPlain([text, text], format)) {
          plainLines += plain.lineEnds.length;
          expectPlain(plain, format);
        }
      }),
      { numRuns: 2500 },
    );
    expect(plainLines).toBeGreaterThan(500);
  });

  it.each([
    ['no labels', 'up 1\n', 1],
    ['no label in the braces', 'up{} 1\n', 1],
    ['labels', 'up{a="b",c="d"} 1\n', 1],
    ['a comma behind the last label', 'up{a="b",} 1\n', 1],
    ['what is escaped', String.raw`up{a="\\\"\n"} 1` + '\n', 1],
    ['braces and commas in a value', 'up{a="},{b=\'"} 1\n', 1],
    ['a timestamp', 'up 1 1700000000000\n', 1],
    ['many labels', `up{${many(32)}} 1\n`, 1],
    ['many labels and a comma behind them', `up{${many(32)},} 1\n`, 1],
    ['fewer labels in the next line', 'up{a="b",c="d"} 1\nup{a="b"} 1\nup 1\n', 1],
    ['other labels in the next line', 'up{a="b"} 1\nup{c="b"} 1\n', 1],
    ['a label twice in the next line', 'up{a="b",c="d"} 1\nup{a="b",a="d"} 1\n', 1],
    ['more labels in the next line', 'up{a="b"} 1\nup{a="b",="d"} 1\n', 1],
    ['several lines', 'up{a="1"} 1\nup{a="2"} NaN\nup{a="33"} +Inf\n', 3],
    ['another name behind it', 'up 1\nup_total 1\n', 1],
    ['a comment behind it', 'up 1\n# up\n', 1],
    ['something else behind it', 'up 1\nup  1\n', 1],
  ])('may have %s', (_what, text, count) => {
    expect(plainSamplesAt(text, 0, anyLength)).toMatchObject({ sampleName: 'up' });
    expect(plainSamplesAt(text, 0, anyLength)?.lineEnds).toHaveLength(count);
  });

  it.each([
    ['a label __name__', 'up{__name__="a"} 1\n'],
    ['a label __name__ behind another', 'up{a="b",__name__="a"} 1\n'],
    ['a label twice', 'up{a="b",c="d",a="b"} 1\n'],
    ['a label twice among many', `up{${many(9)},l0=""} 1\n`],
    ['more labels than are looked for', `up{${many(33)}} 1\n`],
    ['a number beyond float64', 'up 1e309\n'],
    ['digits beyond float64', `up ${'9'.repeat(309)}\n`],
    ['a timestamp beyond int64', 'up 1 9223372036854775808\n'],
    ['a negative timestamp', 'up 1 -1\n'],
    ['no comma between labels', 'up{a="b"c="d"} 1\n'],
    ['two commas', 'up{a="b",,c="d"} 1\n'],
    ['nothing but a comma', 'up{,} 1\n'],
    ['an unknown escape', 'up{a="\\t"} 1\n'],
    ['no end', 'up 1'],
    ['a line feed in a value', 'up{a="\n"} 1\n'],
    ['a name that is too long', `${'u'.repeat(1025)} 1\n`],
    ['more than 4 KiB', `up{a="${'b'.repeat(4096)}"} 1\n`],
  ])('never have %s', (_what, text) => {
    expect(plainSamplesAt(text, 0, anyLength)).toBeUndefined();
  });

  it('end before the first line that is too long', () => {
    expect(plainSamplesAt('up 1\nup 10\nup 1\n', 0, 5)?.lineEnds).toEqual([5]);
    expect(plainSamplesAt('up 10\nup 1\n', 0, 5)).toBeUndefined();
  });

  it.each([
    ['labels without an end', `up{${'a="1",'.repeat(20_000)}\n`],
    ['a value without an end', `up{a="${'b'.repeat(120_000)}\n`],
    ['escapes without an end', `up{a="${'\\n'.repeat(60_000)}\n`],
    ['digits without an end', `up ${'1'.repeat(60_000)} ${'1'.repeat(60_000)}x\n`],
    ['many lines before one that does not fit', `${'up{a="b"} 1\n'.repeat(10_000)}up{a="b"\n`],
  ])('are told from %s without a second way of reading it', (_what, text) => {
    plainSamplesAt(text, 0, anyLength);
    const { system, user } = process.cpuUsage();
    plainSamplesAt(text, 0, anyLength);
    const spent = process.cpuUsage({ system, user });
    // Two ways for each of them would take longer than anybody waits.
    expect(spent.user + spent.system).toBeLessThan(250_000);
  });

  it('cost no memory where there are none', () => {
    const count = 1_000_000;
    const lines = new Lines(Buffer.from('\n'.repeat(count)));
    const reader = new PlainSampleReader('text', anyLength);
    const { system, user } = process.cpuUsage();
    let found = 0;
    for (let at = 0; at < count; at += 1) if (reader.find(lines, at, 1) !== undefined) found += 1;
    const spent = process.cpuUsage({ system, user });
    expect(found).toBe(0);
    // Memory for each of them takes some hundred milliseconds more.
    expect(spent.user + spent.system).toBeLessThan(250_000);
  });
});
