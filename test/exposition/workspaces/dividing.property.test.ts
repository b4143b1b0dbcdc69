import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { workspaceExpositions } from '../../../src/exposition/workspaces/workspace-expositions.js';
import { contentTypes, textOf } from '../relabelling/filtering.js';
import type { ExpositionFormat } from '../../../src/exposition/text-format/exposition-format.js';
import {
  escapedValue,
  families,
  inPieces,
  pieceLengths,
  sampleText,
  type Family,
  type Sample,
} from '../text-format/expositions.js';
import { words } from '../../support/words.js';

const label = 'namespace';

/** What looks like the label, or nearly like a value of it. */
const misleading = fc.constantFrom(
  ...words('namespace="host-a" ",namespace="host-a host-a host-a1 host HOST-A'),
  '{namespace="host-b"} 1',
  ' host-a',
  'host-a\n',
  '\\',
  '# EOF',
);

const nearlyTheLabel: Readonly<Record<string, string>> = {
  b_2: 'namespace_2',
  _x: 'a_namespace',
  a: 'namespac',
};

/** As `families`, with misleading names and values of labels, and some names that need quotation marks. */
function tricky(format: ExpositionFormat): fc.Arbitrary<readonly Family[]> {
  const values = fc.array(misleading, { minLength: 7, maxLength: 7 });
  return fc.tuple(families(format), values, fc.integer({ min: 1, max: 3 })).map(([all, given, quoted]) => {
    let count = 0;
    const valueOf = (value: string): string =>
      value === 'host-c' ? (given[count++ % given.length] ?? '') : value;
    return all.map((family, at) => {
      const samples = family.samples.map((sample) => ({
        ...sample,
        labels: sample.labels.map(({ name, value }) => ({
          name: nearlyTheLabel[name] ?? name,
          value: valueOf(value),
        })),
      }));
      return at % quoted === 0 ? { ...family, samples } : withQuotedName({ ...family, samples });
    });
  });
}

function withQuotedName({ name, header, samples }: Family): Family {
  const quoted = (text: string): string => text.replace('metric', 'mé."{tric');
  const written = JSON.stringify(quoted(name));
  return {
    name: quoted(name),
    header: header.map((line) => line.replace(name, () => written)),
    samples: samples.map((sample) => ({ ...sample, name: quoted(sample.name) })),
  };
}

function line(sample: Sample): string {
  if (/^\w+$/.test(sample.name)) return sampleText(sample);
  const pairs = sample.labels.map(({ name, value }) => `${name}="${escapedValue(value)}"`);
  return `{${[JSON.stringify(sample.name), ...pairs].join(',')}} ${sample.rest}`;
}

function workspaceOf({ labels }: Sample): string {
  return labels.find(({ name }) => name === label)?.value ?? '';
}

const asText = (lines: readonly string[], format: ExpositionFormat): string =>
  [...lines, ...(format === 'openmetrics' ? ['# EOF'] : [])].map((each) => `${each}\n`).join('');

let renderings = 0;
let rendered: { readonly contentType: string; readonly body: AsyncIterable<Uint8Array> } | undefined;
/** One for all: each exposition is divided in the memory of the one before it. */
const divided = workspaceExpositions(
  {
    contentType: () => contentTypes.text,
    render: () => {
      renderings += 1;
      if (rendered === undefined) throw new Error('nothing to render');
      return Promise.resolve(rendered);
    },
  },
  { label, maxAgeMs: 0 },
);

/** The body of each workspace, and of some that are not there. */
async function bodies(
  text: string,
  format: ExpositionFormat,
  lengths: readonly number[],
  workspaces: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const contentType = contentTypes[format];
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* inPieces(Buffer.from(text), lengths);
    await Promise.resolve();
  }
  renderings = 0;
  rendered = { contentType, body: body() };
  const accept = format === 'text' ? '' : 'application/openmetrics-text';
  const found = await Promise.all(
    workspaces.map(async (name) => [name, await textOf(await divided.of(name).render({ accept }))] as const),
  );
  expect(renderings).toBe(1);
  return new Map(found);
}

const strangers = ['', 'host', 'host-a', 'host-a1', 'nobody', 'host-a"', '\\', '"', 'namespace'];

describe.each(['text', 'openmetrics'] as const)('an exposition divided by workspace, in %s', (format) => {
  it('gives each what a filter gives that reads all of it', async () => {
    await fc.assert(
      fc.asyncProperty(tricky(format), pieceLengths, async (all, lengths) => {
        const lines = all.flatMap(({ header, samples }) => [...header, ...samples.map(line)]);
        const workspaces = [
          ...new Set([...all.flatMap(({ samples }) => samples.map(workspaceOf)), ...strangers]),
        ];
        const found = await bodies(asText(lines, format), format, lengths, workspaces);
        for (const [name, text] of found) {
          const expected = all.flatMap(({ header, samples }) => {
            const own = samples.filter((sample) => name !== '' && workspaceOf(sample) === name);
            return own.length === 0 ? [] : [...header, ...own.map(line)];
          });
          expect(text).toBe(asText(expected, format));
        }
      }),
      { numRuns: 400 },
    );
  });

  it('in any order of lines gives all series to one workspace each, or to nobody', async () => {
    const shuffled = tricky(format).chain((all) => {
      const lines = all.flatMap(({ header, samples }) => [...header, ...samples.map(line)]);
      return fc.tuple(fc.constant(all), fc.shuffledSubarray(lines, { minLength: lines.length }));
    });
    await fc.assert(
      fc.asyncProperty(shuffled, pieceLengths, async ([all, lines], lengths) => {
        const samples = all.flatMap((family) => family.samples.map((sample) => ({ family, sample })));
        const workspaces = [...new Set([...samples.map(({ sample }) => workspaceOf(sample)), ...strangers])];
        const found = await bodies(asText(lines, format), format, lengths, workspaces);
        const rest: string[] = [];
        for (const { sample } of samples) if (workspaceOf(sample) === '') rest.push(line(sample));
        for (const [name, text] of found) {
          const own = samples.filter(({ sample }) => name !== '' && workspaceOf(sample) === name);
          const read = text.split('\n').slice(0, -1);
          if (format === 'openmetrics') expect(read.pop()).toBe('# EOF');
          const isHeader = (each: string): boolean => /^# (?:HELP|TYPE) /.test(each);
          const readSamples = read.filter((each) => !isHeader(each));
          expect(readSamples.toSorted()).toEqual(own.map(({ sample }) => line(sample)).toSorted());
          rest.push(...readSamples);
          // Of each metric once, and of no other.
          const headers = new Set(own.map(({ family }) => family)).values();
          expect(read.filter(isHeader).toSorted()).toEqual(
            [...headers].flatMap(({ header }) => header).toSorted(),
          );
        }
        expect(rest.toSorted()).toEqual(samples.map(({ sample }) => line(sample)).toSorted());
      }),
      { numRuns: 300 },
    );
  });
});
