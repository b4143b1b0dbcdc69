import type { ExpositionFormat } from '../../text-format/exposition-format.js';
import { joinPairs, labelPairs } from './sample-text.js';
import type { HashMap, Labels } from './prom-client-metrics.js';

/** The series of one metric of one registry as they stand when they are opened. A series is written whole. */
export interface Series {
  readonly length: number;
  /** The lines of a series; empty where it is gone meanwhile. */
  write(index: number): string;
  /** The same for two series that a scraper takes for one; undefined where it is gone. */
  identity(index: number): string | undefined;
}

export interface SeriesContext {
  /** What samples are named, before `_bucket`, `_sum` and `_count`. */
  readonly sampleName: string;
  /** Of the registry; a series' own labels take precedence. */
  readonly defaultLabels: Labels;
  readonly format: ExpositionFormat;
}

/** How the entries of one kind of metric are written. */
export type EntryWriter<Entry> = (entry: Entry, key: string) => string;

/** The series that a metric keeps by key: their keys are listed at once, and what they hold is read one by one. */
export function keyedSeries<Entry extends { readonly labels: Labels }>(
  hashMap: HashMap<Entry>,
  { defaultLabels }: SeriesContext,
  write: EntryWriter<Entry>,
): Series {
  const keys = Object.keys(hashMap);
  const entryAt = (index: number): Entry | undefined => hashMap[keys[index] ?? ''];
  return {
    length: keys.length,
    write(index) {
      const entry = entryAt(index);
      return entry === undefined ? '' : write(entry, keys[index] ?? '');
    },
    identity(index) {
      const entry = entryAt(index);
      return entry === undefined ? undefined : seriesIdentity(entry.labels, defaultLabels);
    },
  };
}

/** A series' own labels and then those default ones that it does not have. */
export function allLabelPairs(labels: Labels, defaultLabels: Labels): string {
  return joinPairs(labelPairs(labels), labelPairs(defaultLabels, labels));
}

/** Labels in any order, those without a value left out: that is how scrapers tell series apart. */
export function seriesIdentity(labels: Labels, defaultLabels: Labels): string {
  const names = Object.keys(labels);
  for (const name of Object.keys(defaultLabels)) if (!Object.hasOwn(labels, name)) names.push(name);
  if (names.length > 1) names.sort();
  // Put together by hand: it is asked for with each series of a family that several metrics share.
  let identity = '';
  for (const name of names) {
    const value = String(Object.hasOwn(labels, name) ? labels[name] : defaultLabels[name]);
    if (value !== '') identity += `${name}=${value.length}:${value},`;
  }
  return identity;
}
