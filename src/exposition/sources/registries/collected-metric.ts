import type { MetricObject } from 'prom-client';
import { gatheredSeries } from './gathered-series.js';
import { histogramSeries } from './histogram-series.js';
import {
  isObject,
  memberOf,
  readMetric,
  type GatheredValue,
  type ReadableMetric,
} from './prom-client-metrics.js';
import type { Series, SeriesContext } from './series.js';
import { summarySeries } from './summary-series.js';
import { valueSeries } from './value-series.js';

/** A metric whose collector is done: what its series are read from. */
export interface CollectedMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  /** Lists the series, which takes time by their number, and so belongs where they are written. */
  readonly open: (context: SeriesContext) => Series;
}

/** A metric that is read where it stands; what a later reset takes from it is still read. @throws TypeError */
export function collectedInPlace(metric: MetricObject, kind: ReadableMetric['kind']): CollectedMetric {
  const readable = readMetric(metric, kind);
  if (readable === undefined) throw new TypeError('the metric lost its series while it was collected');
  return { ...descriptionOf(metric), open: (context) => openReadable(readable, context) };
}

function openReadable(readable: ReadableMetric, context: SeriesContext): Series {
  switch (readable.kind) {
    case 'values':
      return valueSeries(readable.hashMap, context);
    case 'histogram':
      return histogramSeries(readable.hashMap, readable.upperBounds, context);
    case 'summary':
      return summarySeries(readable, context);
  }
}

/** What `get()` of any other metric gave. @throws TypeError where that is no metric. */
export function collectedValues(gathered: unknown): CollectedMetric {
  if (!isObject(gathered)) throw new TypeError('get() of the metric gave no object');
  const description = descriptionOf(gathered);
  const values = memberOf(gathered, 'values') ?? [];
  if (!isGatheredValues(values)) throw new TypeError('get() of the metric gave no array of values');
  return { ...description, open: (context) => gatheredSeries(values, description.type, context) };
}

function descriptionOf(metric: object): Pick<CollectedMetric, 'name' | 'help' | 'type'> {
  const [name, help, type] = ['name', 'help', 'type'].map((member) => memberOf(metric, member));
  if (typeof name !== 'string' || typeof help !== 'string' || typeof type !== 'string') {
    throw new TypeError('the metric has no name, help or type');
  }
  return { name, help, type };
}

function isGatheredValues(values: unknown): values is readonly GatheredValue[] {
  return Array.isArray(values) && values.every(isObject);
}
