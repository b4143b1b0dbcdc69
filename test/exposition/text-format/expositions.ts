import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { ExpositionFormat } from '../../../src/exposition/text-format/exposition-format.js';
import type { ExpositionPart } from '../../../src/exposition/text-format/exposition-part.js';
import { metadataLine } from '../../../src/exposition/text-format/metadata-line.js';
import { readTextFormat } from '../../../src/exposition/text-format/text-format-reader.js';

export type Bytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export async function partsOf(
  body: Bytes,
  format: ExpositionFormat = 'text',
  maxLineBytes?: number,
): Promise<readonly ExpositionPart[]> {
  const parts: ExpositionPart[] = [];
  const options = maxLineBytes === undefined ? { format } : { format, maxLineBytes };
  for await (const some of readTextFormat(body, options)) parts.push(...some);
  return parts;
}

/** What the parts say, as text. */
export function bytesOf(parts: readonly ExpositionPart[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      switch (part.kind) {
        case 'samples':
          return part.bytes;
        case 'metadata':
          return Buffer.from(metadataLine(part.family, part.metadata));
        case 'blank':
          return Buffer.from('\n');
        case 'end':
          return Buffer.from('# EOF\n');
      }
    }),
  );
}

/** The names of the metrics that something is said of, in their order. */
export function familiesRead(parts: readonly ExpositionPart[]): readonly string[] {
  return [...new Set(parts.flatMap((part) => (part.kind === 'metadata' ? [part.family] : [])))];
}

/** The same bytes in pieces of these lengths, again and again. */
export function* inPieces(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.byteLength; turn += 1) {
    const length = lengths[turn % lengths.length] ?? 1;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

/** What an idle kcp shard served: 2 MB, 15,602 lines. */
export function recordedShardMetrics(): Buffer {
  return gunzipSync(readFileSync(new URL('shard-metrics.txt.gz', import.meta.url)));
}

export interface Label {
  readonly name: string;
  /** Unescaped. */
  readonly value: string;
}

export interface Sample {
  readonly name: string;
  readonly labels: readonly Label[];
  /** Value, timestamp and exemplar, as they stand behind the labels. */
  readonly rest: string;
}

export interface Family {
  readonly name: string;
  readonly header: readonly string[];
  readonly samples: readonly Sample[];
}

export const pieceLengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });

const labelNames = ['namespace', 'pod', 'a', 'b_2', '_x'];
const labelValue = fc.oneof(
  fc.constantFrom('host-a', 'host-b', 'host-c', 'x"y\\z\nw', ''),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
);
const number = fc.oneof(
  fc.constantFrom('NaN', '+Inf', '-Inf', '0', '-0', '1e-05', '.5', '5.', '1E+3'),
  fc
    .double()
    .map(String)
    .filter((text) => !text.endsWith('Infinity')),
);
const helpText = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => !/^[ \t]*$/.test(text));

function escapedHelp(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
}

export function escapedValue(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

const labels = fc
  .uniqueArray(fc.constantFrom(...labelNames), { maxLength: 4 })
  .chain((names) =>
    fc.tuple(...names.map((name) => fc.record({ name: fc.constant(name), value: labelValue }))),
  );

const suffixes = { counter: ['_total'], gauge: [''], histogram: ['_bucket', '_sum', '_count'] } as const;

/** Families in the format, each of one to a few samples, no series twice. */
export function families(format: ExpositionFormat): fc.Arbitrary<readonly Family[]> {
  const timestamp =
    format === 'text' ? fc.maxSafeNat().map(String) : number.filter((text) => !/NaN|Inf/.test(text));
  const exemplar = fc.tuple(labels, number).map(([of, value]) => ` # ${labelsText(of)} ${value}`);
  const rest = fc
    .tuple(number, fc.option(timestamp, { nil: undefined }), fc.option(exemplar, { nil: undefined }))
    .map(([value, at, example]) => {
      const text = at === undefined ? value : `${value} ${at}`;
      return format === 'openmetrics' && example !== undefined ? `${text}${example}` : text;
    });
  const helpOf = format === 'text' ? escapedHelp : escapedValue;
  const family = fc.record({
    type: fc.constantFrom(...(Object.keys(suffixes) as (keyof typeof suffixes)[])),
    help: fc.option(helpText, { nil: undefined }),
    series: fc.uniqueArray(labels, { maxLength: 5, selector: seriesKey }),
    rests: fc.array(rest, { minLength: 4, maxLength: 4 }),
  });
  return fc.array(family, { maxLength: 6 }).map((all) =>
    all.map(({ type, help, series, rests }, index) => {
      const name = `metric${index}`;
      return {
        name,
        header: [...(help === undefined ? [] : [`# HELP ${name} ${helpOf(help)}`]), `# TYPE ${name} ${type}`],
        samples: series.flatMap((of, row) =>
          suffixes[type].map((suffix, column) => ({
            name: name + suffix,
            labels: of,
            rest: rests[(3 * row + column) % rests.length] ?? '1',
          })),
        ),
      };
    }),
  );
}

export function seriesKey(of: readonly Label[]): string {
  const known = of
    .filter(({ value }) => value !== '')
    .map(({ name, value }) => JSON.stringify([name, value]));
  return known.sort().join();
}

function labelsText(of: readonly Label[]): string {
  return `{${of.map(({ name, value }) => `${name}="${escapedValue(value)}"`).join(',')}}`;
}

export function sampleText({ name, labels: of, rest }: Sample): string {
  return `${name}${of.length === 0 ? '' : labelsText(of)} ${rest}`;
}

export function expositionText(all: readonly Family[], format: ExpositionFormat): string {
  const lines = all.flatMap(({ header, samples }) => [...header, ...samples.map(sampleText)]);
  return [...lines, ...(format === 'openmetrics' ? ['# EOF'] : [])].map((line) => `${line}\n`).join('');
}
