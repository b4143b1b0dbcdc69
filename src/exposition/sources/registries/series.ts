import { Counter, Gauge, Histogram, Summary, type MetricObject } from 'prom-client';
import type { ExpositionFormat } from '../../text-format/exposition-format.js';
import { escapedText } from '../../text-format/quoted-text.js';
import {
  isNumbers,
  isObject,
  memberOf,
  type Exemplar,
  type GatheredValue,
  type HashMap,
  type HistogramEntry,
  type Labels,
  type SummaryEntry,
  type ValueEntry,
} from './prom-client-metrics.js';

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

/** Labels that tell apart the lines of one series. */
const lineLabels: Readonly<Record<string, string | undefined>> = { histogram: 'le', summary: 'quantile' };

const knownClasses = [
  [Counter.prototype, 'values'],
  [Gauge.prototype, 'values'],
  [Histogram.prototype, 'histogram'],
  [Summary.prototype, 'summary'],
] as const;

/** What prom-client's registry asks a metric for its values with. */
const gatherers = ['get', 'getForPromString'] as const;

/**
 * Lists the series of a metric of prom-client as they are kept now, written as prom-client writes them, one by one where
 * its `get()` would copy them all at once. Undefined for any other metric: of another class, with a `get` of its own, or
 * of a prom-client that keeps them otherwise.
 */
export function seriesReader(metric: MetricObject): ((context: SeriesContext) => Series) | undefined {
  const known = knownClasses.find(([prototype]) => Object.prototype.isPrototypeOf.call(prototype, metric));
  if (known === undefined) return undefined;
  const [prototype, kind] = known;
  if (gatherers.some((name) => memberOf(metric, name) !== memberOf(prototype, name))) return undefined;
  const hashMap = memberOf(metric, 'hashMap');
  if (!isObject(hashMap)) return undefined;
  switch (kind) {
    case 'values':
      return (context) => keyedSeries(hashMap as HashMap<ValueEntry>, context, valueWriter(context));
    case 'histogram': {
      const bounds = memberOf(metric, 'upperBounds');
      if (!isNumbers(bounds)) return undefined;
      const entries = hashMap as HashMap<HistogramEntry>;
      return (context) => keyedSeries(entries, context, histogramWriter(bounds, context));
    }
    case 'summary': {
      const percentiles = memberOf(metric, 'percentiles');
      if (!isNumbers(percentiles)) return undefined;
      const entries = hashMap as HashMap<SummaryEntry>;
      const pruned = memberOf(metric, 'pruneAgedBuckets') ? entries : undefined;
      return (context) => keyedSeries(entries, context, summaryWriter(percentiles, pruned, context));
    }
  }
}

/** The values of any other metric, as its `get()` gave them: one line each. */
export function gatheredSeries(
  values: readonly GatheredValue[],
  type: string,
  context: SeriesContext,
): Series {
  const { sampleName, defaultLabels, format } = context;
  const suffix = format === 'openmetrics' && type === 'counter' ? '_total' : '';
  const lineLabel = lineLabels[type];
  return {
    length: values.length,
    write(index) {
      const value = values[index];
      if (value === undefined) return '';
      const { labels = {}, sharedLabels = {}, exemplar } = value;
      const name = value.metricName === undefined ? sampleName : `${value.metricName}${suffix}`;
      const ownPairs = labelPairs({ ...labels, ...defaultLabels, ...labels }, sharedLabels);
      const braced = inBraces(joinPairs(ownPairs, labelPairs(sharedLabels)));
      return `${name}${braced} ${valueText(value.value)}${braced && exemplarText(exemplar, context)}\n`;
    },
    identity(index) {
      const value = values[index];
      if (value === undefined) return undefined;
      const labels = { ...value.labels, ...value.sharedLabels };
      if (lineLabel === undefined) return `${value.metricName ?? ''}${seriesIdentity(labels, defaultLabels)}`;
      Reflect.deleteProperty(labels, lineLabel);
      return seriesIdentity(labels, defaultLabels);
    },
  };
}

/** The series that a metric keeps by key: their keys are listed at once, and what they hold is read one by one. */
function keyedSeries<Entry extends { readonly labels: Labels }>(
  hashMap: HashMap<Entry>,
  { defaultLabels }: SeriesContext,
  write: (entry: Entry, key: string) => string,
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

function valueWriter(context: SeriesContext): (entry: ValueEntry) => string {
  const { sampleName, defaultLabels } = context;
  return ({ labels, value, exemplar }) => {
    const braced = inBraces(allLabelPairs(labels, defaultLabels));
    return `${sampleName}${braced} ${valueText(value)}${braced && exemplarText(exemplar, context)}\n`;
  };
}

/** @param pruned where series without a recent value are removed. */
function summaryWriter(
  percentiles: readonly number[],
  pruned: HashMap<SummaryEntry> | undefined,
  { sampleName, defaultLabels }: SeriesContext,
): (entry: SummaryEntry, key: string) => string {
  return ({ labels, td, sum, count }, key) => {
    if (pruned !== undefined && td.size() === 0) {
      Reflect.deleteProperty(pruned, key);
      return '';
    }
    td.compress();
    let lines = '';
    for (const quantile of percentiles) {
      const pairs = allLabelPairs({ quantile, ...labels }, defaultLabels);
      lines += `${sampleName}{${pairs}} ${valueText(td.percentile(quantile) || 0)}\n`;
    }
    const braced = inBraces(allLabelPairs(labels, defaultLabels));
    return `${lines}${sampleName}_sum${braced} ${valueText(sum)}\n${sampleName}_count${braced} ${valueText(count)}\n`;
  };
}

/** Buckets are accumulated. Labels of the series stand last, as prom-client has them. */
function histogramWriter(
  upperBounds: readonly number[],
  context: SeriesContext,
): (entry: HistogramEntry) => string {
  const { sampleName, defaultLabels } = context;
  const bucketName = `${sampleName}_bucket`;
  const lePairs = upperBounds.map((bound) => `le="${bound}"`);
  return ({ labels, bucketValues, bucketExemplars, sum, count }) => {
    const ownPairs = labelPairs(labels);
    const braced = inBraces(joinPairs(labelPairs(defaultLabels, labels), ownPairs));
    const bucketPairs = joinPairs(labelPairs(defaultLabels, { le: '', ...labels }), ownPairs);
    const bucketEnd = bucketPairs === '' ? '} ' : `,${bucketPairs}} `;
    let lines = '';
    let accumulated = 0;
    for (const [index, bound] of upperBounds.entries()) {
      accumulated += bucketValues[bound] ?? NaN;
      const exemplar = exemplarText(bucketExemplars?.[bound], context);
      lines += `${bucketName}{${lePairs[index] ?? ''}${bucketEnd}${valueText(accumulated)}${exemplar}\n`;
    }
    return `${lines}${bucketName}{le="+Inf"${bucketEnd}${valueText(count)}${exemplarText(bucketExemplars?.[-1], context)}
${sampleName}_sum${braced} ${valueText(sum)}
${sampleName}_count${braced} ${valueText(count)}
`;
  };
}

/** `name="value"`, joined by commas, in the order of the object; without the names that stand in `except`. */
function labelPairs(labels: Labels, except?: Labels): string {
  let pairs = '';
  for (const name of Object.keys(labels)) {
    if (except !== undefined && Object.hasOwn(except, name)) continue;
    if (pairs !== '') pairs += ',';
    pairs += `${name}="${escapedText(String(labels[name]))}"`;
  }
  return pairs;
}

/** A series' own labels and then those default ones that it does not have. */
function allLabelPairs(labels: Labels, defaultLabels: Labels): string {
  return joinPairs(labelPairs(labels), labelPairs(defaultLabels, labels));
}

function joinPairs(first: string, second: string): string {
  return first === '' || second === '' ? first + second : `${first},${second}`;
}

function inBraces(pairs: string): string {
  return pairs === '' ? '' : `{${pairs}}`;
}

/** A sample's value as prom-client writes it, its `Nan` included, which every parser takes. */
export function valueText(value: unknown): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'Nan';
  return Number(value) < 0 ? '-Inf' : '+Inf';
}

/**
 * What OpenMetrics puts behind a value. Series without labels go without: VictoriaMetrics takes an exemplar behind them for
 * part of their name.
 */
function exemplarText(exemplar: Exemplar | null | undefined, { format }: SeriesContext): string {
  if (!exemplar || format === 'text') return '';
  const { labelSet, value, timestamp } = exemplar;
  const seconds = Number.isFinite(timestamp) ? ` ${String(timestamp)}` : '';
  return ` # {${labelPairs(labelSet)}} ${valueText(value)}${seconds}`;
}

/** Labels in any order, those without a value left out: that is how scrapers tell series apart. */
function seriesIdentity(labels: Labels, defaultLabels: Labels): string {
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
