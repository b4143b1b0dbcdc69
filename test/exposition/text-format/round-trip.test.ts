import fc from 'fast-check';
import { Counter, Gauge, Histogram, Registry, Summary, type RegistryContentType } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { ExpositionPart } from '../../../src/exposition/text-format/exposition-part.js';
import {
  bytesOf,
  expositionText,
  families,
  familiesRead,
  inPieces,
  partsOf,
  pieceLengths,
  recordedShardMetrics,
  sampleText,
} from './expositions.js';

describe('an exposition that is read', () => {
  it.each(['text', 'openmetrics'] as const)(
    'is the same byte by byte, however it is cut: %s',
    async (format) => {
      await fc.assert(
        fc.asyncProperty(families(format), pieceLengths, async (all, lengths) => {
          const bytes = Buffer.from(expositionText(all, format));
          const parts = await partsOf(inPieces(bytes, lengths), format);
          expect(bytesOf(parts)).toEqual(bytes);
          expect(familiesRead(parts)).toEqual(all.map(({ name }) => name));
          expect(linesRead(parts)).toEqual(all.flatMap(({ samples }) => samples.map(sampleText)));
        }),
      );
    },
  );

  it.each([
    ['the text format', 'text', Registry.PROMETHEUS_CONTENT_TYPE],
    ['OpenMetrics', 'openmetrics', Registry.OPENMETRICS_CONTENT_TYPE],
  ] as const)('of prom-client is, too: %s', async (_name, format, contentType) => {
    const registry = new Registry<RegistryContentType>();
    registry.setContentType(contentType);
    const registers = [registry];
    new Counter({ name: 'requests_total', help: 'All.\nOf \\', labelNames: ['p'], registers }).inc({
      p: '"ü\n',
    });
    new Gauge({ name: 'nothing', help: 'h', labelNames: ['never'], registers });
    new Histogram({ name: 'seconds', help: 'h', registers }).observe(0.3);
    new Summary({ name: 'sizes', help: 'h', registers }).observe(3);
    const bytes = Buffer.from(await registry.metrics());
    const parts = await partsOf(inPieces(bytes, [7]), format);
    expect(bytesOf(parts)).toEqual(bytes);
    const counter = format === 'text' ? 'requests_total' : 'requests';
    expect(familiesRead(parts)).toEqual([counter, 'nothing', 'seconds', 'sizes']);
  });

  it('of an empty prom-client registry is not OpenMetrics: Prometheus takes no blank line there', async () => {
    const registry = new Registry<RegistryContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const body = [Buffer.from(await registry.metrics())];
    await expect(partsOf(body, 'openmetrics')).rejects.toThrow('no metric name begins so');
  });

  it('says what stands in it, in its order, and nothing of remarks', async () => {
    const text = [
      '# a remark',
      '# TYPE seconds histogram',
      '# between',
      '# HELP seconds How long,\\nin seconds.',
      'seconds_bucket{le="+Inf"} 2',
      'seconds_sum 3',
      'seconds_sum 4',
      'seconds_count\t2 ',
      '',
    ].join('\n');
    const parts = await partsOf([Buffer.from(text)]);
    expect(parts.map(summary)).toEqual([
      'TYPE seconds histogram',
      'HELP seconds How long,\\nin seconds.',
      'samples seconds_bucket line 5',
      'samples seconds_sum line 6',
      'samples seconds_count line 8',
    ]);
  });

  it.each([
    ['blanks', '\ta { b = "c" , } 1 \t 5 ', 'a{b="c"} 1 5'],
    ['no blanks', 'a{}1', 'a 1'],
    ['no blank behind the name', 'a+1', 'a +1'],
    ['no commas', 'a{b="c"d="e"} 1', 'a{b="c",d="e"} 1'],
    ['a backslash that escapes nothing', 'a{b="C:\\Windows"} 1', 'a{b="C:\\\\Windows"} 1'],
    ['a line feed in a value', 'a{b="c\n\nd"} 1', 'a{b="c\\n\\nd"} 1'],
    ['a quoted name', '{"a.b",c="d"} 1', '{"a.b",c="d"} 1'],
    ['a quoted name that needs no quotation marks', '{"a"} 1', 'a 1'],
    ['a quoted name behind labels', '{ c="d", "a b" } 1', '{"a b",c="d"} 1'],
    ['a quoted label', 'a{"b c"="d","e"="f"} 1', 'a{"b c"="d",e="f"} 1'],
    ['a name that was escaped', '{"a\\"b","c\\d"="e"} 1', '{"a\\"b","c\\\\d"="e"} 1'],
    ['other words for numbers', 'a infinity\na -inf\na nan\na NAN', 'a +Inf\na -Inf\na NaN\na NAN'],
    ['many digits', `a ${'0'.repeat(400)}1.5`, 'a 1.5'],
    ['many zeros', `a -0.${'0'.repeat(400)}`, 'a -0'],
    ['the last timestamp', 'a 1 9223372036854775807', 'a 1 9223372036854775807'],
    ['a timestamp with zeros', `a 1 ${'0'.repeat(30)}5`, `a 1 ${'0'.repeat(30)}5`],
    ['no line feed at its end', 'a 1', 'a 1'],
    ['a HELP that is a remark', '# HELP\na 1', 'a 1'],
    ['a HELP without a text', '# HELP a\n# HELP b \n#\tHELP  c\t \t', '# HELP a \n# HELP b \n# HELP c '],
    ['a HELP of something else', '# HELP a.b c\n# TYPE d-gauge', '# HELP a b c\n# TYPE d gauge'],
    ['a HELP of a quoted name', '# HELP "a" b\n# TYPE "a b" gauge', '# HELP a b\n# TYPE "a b" gauge'],
    ['a HELP with backslashes', '# HELP a \\\\ \\n \\" \\d', '# HELP a \\\\ \\n \\\\" \\\\d'],
  ])('is written as every scraper reads it: %s', async (_what, read, written) => {
    for (const lengths of [[1], [1000]]) {
      const parts = await partsOf(inPieces(Buffer.from(`${read}\n`), lengths));
      expect(bytesOf(parts).toString()).toBe(`${written}\n`);
    }
  });

  it.each([
    ['exemplars', 'a 1 # {b="\\d"} 1 2', 'a 1 # {b="\\d"} 1 2'],
    ['exemplars of odd names', 'a{b="c",} 1 5. # {"b c"="d",} inf', 'a{b="c"} 1 5. # {"b c"="d"} +Inf'],
    ['a HELP with a quotation mark', '# HELP a b"c', '# HELP a b\\"c'],
    ['a UNIT', '# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# UNIT a ', undefined],
  ])('of OpenMetrics is, too: %s', async (_what, read, written) => {
    const parts = await partsOf([Buffer.from(`${read}\n# EOF\n`)], 'openmetrics');
    expect(bytesOf(parts).toString()).toBe(`${written ?? read}\n# EOF\n`);
  });

  it('of OpenMetrics may end without a line feed', async () => {
    const parts = await partsOf([Buffer.from('# TYPE a info\na_info{b="c"} 1\n# EOF')], 'openmetrics');
    expect(parts.map(({ kind }) => kind)).toEqual(['metadata', 'samples', 'end']);
  });
});

describe('the recorded exposition of a kcp shard', () => {
  it('is the same byte by byte', async () => {
    const bytes = recordedShardMetrics();
    const parts = await partsOf(inPieces(bytes, [1000, 65_536, 3]));
    expect(bytesOf(parts).equals(bytes)).toBe(true);
    expect(familiesRead(parts).length).toBeGreaterThan(100);
  });
});

function linesRead(parts: readonly ExpositionPart[]): readonly string[] {
  return parts.flatMap((part) =>
    part.kind === 'samples'
      ? part.lineEnds.map((end, at) => part.bytes.toString('utf8', part.lineEnds[at - 1] ?? 0, end - 1))
      : [],
  );
}

function summary(part: ExpositionPart): string {
  switch (part.kind) {
    case 'metadata':
      return `${part.metadata.kind} ${part.family} ${part.metadata.text}`;
    case 'samples':
      return `samples ${part.sampleName} line ${part.line}`;
    case 'blank':
    case 'end':
      return part.kind;
  }
}
