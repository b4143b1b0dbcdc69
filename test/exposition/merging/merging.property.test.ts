import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  expositionText,
  families,
  inPieces,
  partsOf,
  pieceLengths,
  sampleText,
  seriesKey,
  type Family,
  type Sample,
} from '../text-format/expositions.js';
import { labelled, member, merged } from './merging.js';

const names = ['a', 'b', 'c'] as const;
const expositions = fc.array(
  fc
    .tuple(families('text'), pieceLengths, fc.boolean())
    .map(([all, lengths, isReversed]) => ({ all: isReversed ? all.toReversed() : all, lengths })),
  { minLength: 1, maxLength: 3 },
);

describe('merged expositions', () => {
  it('have every series of every member exactly, but for families of another type than before', async () => {
    await fc.assert(
      fc.asyncProperty(expositions, async (given) => {
        const { text, series } = await merged(
          given.map(({ all, lengths }, at) => labelled(names[at] ?? '', stream(all, lengths))),
        );
        // Read again: every line is well-formed, and no metric stands in two places.
        const parts = await partsOf([Buffer.from(text)]);
        const read = parts.flatMap((part) =>
          part.kind === 'metadata' ? [`${part.metadata.kind} ${part.family}`] : [],
        );
        expect(new Set(read).size).toBe(read.length);
        const types = new Map<string, string | undefined>();
        const expected = given.flatMap(({ all }, at) =>
          all
            .filter((family) => isOfType(family, types))
            .flatMap(({ samples }) => samples.map((sample) => withUpstream(sample, names[at] ?? ''))),
        );
        expect(linesOf(series)).toEqual(expected.map(sampleText).sort());
      }),
      { numRuns: 300 },
    );
  });

  it('are the same set of lines in whatever order the members stand', async () => {
    await fc.assert(
      fc.asyncProperty(expositions, async (given) => {
        // Of one type all: which family comes first decides between others.
        const untyped = given.map(({ all }) =>
          all.flatMap(({ samples }) => samples.map((sample) => `${sampleText(sample)}\n`)).join(''),
        );
        const members = untyped.map((text, at) => labelled(names[at] ?? '', text));
        const [one, other] = [await merged(members), await merged(members.toReversed())];
        expect(linesOf(other.series)).toEqual(linesOf(one.series));
      }),
      { numRuns: 100 },
    );
  });

  it('have no series twice, where no label tells members apart: the first is there', async () => {
    await fc.assert(
      fc.asyncProperty(expositions, async (given) => {
        const { series, leftOut } = await merged(
          given.map(({ all, lengths }, at) => member(names[at] ?? '', stream(all, lengths))),
        );
        const types = new Map<string, string | undefined>();
        const served = new Map<string, string>();
        const all = given.flatMap(({ all: of }) => of);
        for (const { samples } of all.filter((family) => isOfType(family, types))) {
          for (const sample of samples) {
            const key = sample.name + seriesKey(sample.labels);
            if (!served.has(key)) served.set(key, sampleText(sample));
          }
        }
        expect(linesOf(series)).toEqual([...served.values()].sort());
        const missing = leftOut.reduce((sum, { series: count }) => sum + count, 0);
        expect(served.size + missing).toBe(all.flatMap(({ samples }) => samples).length);
      }),
      { numRuns: 300 },
    );
  });

  it('hold nothing of a member that is no exposition, whatever it is', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .string({ unit: fc.constantFrom(...'ab{}"=,\\ \n#1{'.split('')), maxLength: 40 })
        .map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, pieceLengths, async (garbage, lengths) => {
        const { text, up, failures } = await merged([
          labelled('a', 'm_good 1\n'),
          labelled('b', pieces(garbage, lengths)),
        ]);
        await expect(partsOf([Buffer.from(text)])).resolves.toBeDefined();
        expect(text).toContain('m_good{upstream="a"} 1\n');
        expect(up).toEqual({ a: 1, b: failures.length === 0 ? 1 : 0 });
        if (failures.length > 0) {
          expect(linesOf(text).filter((line) => line.includes('"b"'))).toHaveLength(2);
          expect(failures[0]?.error.message).toMatch(/^b: line \d+: /);
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** Whether a family of this name before it had its type. */
function isOfType({ name, header }: Family, types: Map<string, string | undefined>): boolean {
  const type = header.find((line) => line.startsWith('# TYPE'));
  if (!types.has(name)) types.set(name, type);
  return types.get(name) === type;
}

function withUpstream(sample: Sample, upstream: string): Sample {
  return { ...sample, labels: [{ name: 'upstream', value: upstream }, ...sample.labels] };
}

function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .sort();
}

async function* stream(all: readonly Family[], lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  yield* pieces(Buffer.from(expositionText(all, 'text')), lengths);
}

async function* pieces(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  yield* inPieces(bytes, lengths);
  await Promise.resolve();
}
