import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabelMapping } from '../../../src/exposition/relabelling/label-mapping.js';
import {
  expositionText,
  families,
  inPieces,
  pieceLengths,
  seriesKey,
  type Family,
  type Label,
  type Sample,
} from '../text-format/expositions.js';
import { filtered } from './filtering.js';

/** The rules, and what they mean said in another way. */
interface Rules {
  readonly keepMetrics: readonly string[];
  readonly dropMetrics: readonly string[];
  readonly dropLabels: readonly string[];
  readonly renameLabels: Readonly<Record<string, string>>;
  readonly mapping: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const matches: Readonly<Record<string, RegExp>> = {
  '*': /^.*$/,
  'metric[0-2]*': /^metric[0-2].*$/,
  '*_{sum,count}': /_(?:sum|count)$/,
  metric1: /^metric1$/,
  'metric?_total': /^metric._total$/,
};
const globs = fc.array(fc.constantFrom(...Object.keys(matches)), { maxLength: 2 });
const newNames = fc.constantFrom('team-a', 'team-b', 'x"y\\z\nw', 'ü');
const table = fc.dictionary(fc.constantFrom('host-a', 'host-b', 'host-c', 'x"y\\z\nw'), newNames);

const rules: fc.Arbitrary<Rules> = fc
  .record({
    keepMetrics: globs,
    dropMetrics: globs,
    dropLabels: fc.subarray(['namespace', 'pod', 'a']),
    renameLabels: fc.dictionary(
      fc.constantFrom('namespace', 'a', 'b_2', '_x'),
      fc.constantFrom('pod', 'a', 'new'),
    ),
    mapping: fc.oneof(
      fc.constant({}),
      table.map((namespace) => ({ namespace })),
      fc.record({ namespace: table, a: table }),
    ),
  })
  .map((made) => ({
    ...made,
    renameLabels: Object.fromEntries(
      Object.entries(made.renameLabels).filter(
        ([from, to], at, all) =>
          from !== to && !made.dropLabels.includes(from) && all.findIndex(([, other]) => other === to) === at,
      ),
    ),
  }));

describe('the filter', () => {
  it.each(['text', 'openmetrics'] as const)(
    'leaves what a filter leaves that has all of the exposition before it: %s',
    async (format) => {
      await fc.assert(
        fc.asyncProperty(families(format), rules, pieceLengths, async (all, given, lengths) => {
          const { keepMetrics, dropMetrics, dropLabels, renameLabels, mapping } = given;
          const labelMapping = { current: mappingOf(mapping) };
          const { text, counts } = await filtered(
            stream(expositionText(all, format), lengths),
            {
              keepMetrics,
              dropMetrics,
              dropLabels,
              renameLabels,
              ...(Object.keys(mapping).length === 0 ? {} : { labelMapping }),
            },
            format,
          );
          const modelledFamilies = all.map((family) => modelled(family, given));
          const isEmpty = ({ name, samples }: Family): boolean =>
            samples.length === 0 && isKept(given, name, name);
          const left = [
            ...modelledFamilies.filter(({ samples }) => samples.length > 0),
            // Last comes what had no samples before.
            ...all.filter(isEmpty),
          ];
          expect(text).toBe(expositionText(left, format));
          expect(counts?.kept).toBe(left.flatMap(({ samples }) => samples).length);
          const dropped = Object.values(counts?.dropped ?? {}).reduce((sum, count) => sum + count, 0);
          expect((counts?.kept ?? 0) + dropped).toBe(all.flatMap(({ samples }) => samples).length);
        }),
        { numRuns: 500 },
      );
    },
  );
});

function modelled(family: Family, given: Rules): Family {
  const seen = new Set<string>();
  const changesLabels =
    given.dropLabels.length + Object.keys(given.renameLabels).length + Object.keys(given.mapping).length > 0;
  const samples = family.samples
    .filter(({ name }) => isKept(given, family.name, name))
    .flatMap((sample): readonly Sample[] => {
      if (!changesLabels) return [sample];
      const labels = relabelled(sample.labels, given);
      if (labels === undefined) return [];
      const key = sample.name + seriesKey(labels);
      if (seen.has(key)) return [];
      seen.add(key);
      return [{ ...sample, labels, rest: sample.rest.replace(/ # .*$/s, '') }];
    });
  return { ...family, samples };
}

function relabelled(labels: readonly Label[], given: Rules): readonly Label[] | undefined {
  const { mapping, dropLabels, renameLabels } = given;
  const values = new Map(labels.map(({ name, value }) => [name, value]));
  for (const [label, names] of Object.entries(mapping)) {
    const value = values.get(label) ?? '';
    const mapped = Object.entries(names).find(([from]) => from === value);
    if (value === '' || mapped === undefined) return undefined;
    values.set(label, mapped[1]);
  }
  const left = [...values]
    .filter(([name]) => !dropLabels.includes(name))
    .map(([name, value]) => ({ name: renameLabels[name] ?? name, value }));
  return new Set(left.map(({ name }) => name)).size === left.length ? left : undefined;
}

function isKept({ keepMetrics, dropMetrics }: Rules, family: string, sample: string): boolean {
  const isChosen = keepMetrics.length === 0 || isNamed(keepMetrics, family, sample);
  return isChosen && !isNamed(dropMetrics, family, sample);
}

function isNamed(given: readonly string[], family: string, sample: string): boolean {
  return given.some((glob) => [family, sample].some((name) => matches[glob]?.test(name)));
}

function mappingOf(mapping: Rules['mapping']): LabelMapping {
  return Object.keys(mapping).length === 0 ? LabelMapping.of({ unused: {} }) : LabelMapping.of(mapping);
}

async function* stream(text: string, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  yield* inPieces(Buffer.from(text), lengths);
  await Promise.resolve();
}
