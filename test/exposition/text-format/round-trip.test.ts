import fc from 'fast-check';
import { Counter, Gauge, Histogram, Registry, Summary, type RegistryContentType } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { ExpositionPart } from '../../../src/exposition/text-format/exposition-part.js';
import {
  bytesOf,
  expositionText,
  families,
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

  it('of an empty prom-client registry is, too', async () => {
    const registry = new Registry<RegistryContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const bytes = Buffer.from(await registry.metrics());
    expect(bytesOf(await partsOf([bytes], 'openmetrics'))).toEqual(bytes);
  });

  it('says of each family what its header says, and what its samples are called', async () => {
    const text = [
      '# a remark',
      '# TYPE seconds histogram',
      '# between',
      '# HELP seconds How long,\\nin seconds.',
      'seconds_bucket{le="+Inf"} 2',
      'seconds_sum 3',
      ' seconds_count\t2 ',
      'bare{} 1',
      'bare_total 1',
      '',
    ].join('\n');
    const parts = await partsOf([Buffer.from(text)]);
    expect(parts.map(summary)).toEqual([
      'comment',
      'family seconds histogram "How long,\\\\nin seconds." line 2',
      'samples seconds_bucket line 5',
      'samples seconds_sum line 6',
      'samples seconds_count line 7',
      'family bare unknown undefined line 8',
      'samples bare line 8',
      'family bare_total unknown undefined line 9',
      'samples bare_total line 9',
    ]);
    const [, family] = parts;
    expect(family?.kind === 'family' && family.header.toString()).not.toContain('between');
    expect(bytesOf(parts).toString()).toBe(text);
  });

  it('takes blanks, empty lines and commas where Prometheus takes them', async () => {
    const text =
      '\n  # TYPE\ta  gauge\n\ta { b = "c" , } 1 \n a{}1\na NaN -5\n \n#TYPE is a remark\n# HELP a2\n';
    expect(bytesOf(await partsOf([Buffer.from(text)])).toString()).toBe(text);
  });

  it('of OpenMetrics may end without a line feed', async () => {
    const parts = await partsOf([Buffer.from('# TYPE a info\na_info{b="c"} 1\n# EOF')], 'openmetrics');
    expect(parts.map(({ kind }) => kind)).toEqual(['family', 'samples', 'end']);
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

function familiesRead(parts: readonly ExpositionPart[]): readonly string[] {
  return parts.flatMap((part) => (part.kind === 'family' ? [part.name] : []));
}

function linesRead(parts: readonly ExpositionPart[]): readonly string[] {
  return parts.flatMap((part) =>
    part.kind === 'samples'
      ? part.lineEnds.map((end, at) => part.bytes.toString('utf8', part.lineEnds[at - 1] ?? 0, end - 1))
      : [],
  );
}

function summary(part: ExpositionPart): string {
  switch (part.kind) {
    case 'family':
      return `family ${part.name} ${part.type} ${JSON.stringify(part.help)} line ${part.line}`;
    case 'samples':
      return `samples ${part.sampleName} line ${part.line}`;
    case 'comment':
    case 'end':
      return part.kind;
  }
}
