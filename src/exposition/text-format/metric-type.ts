import type { ExpositionFormat } from './exposition-format.js';

/** As the formats write it; `untyped` is the text format's word for `unknown`. */
export type MetricType =
  | 'counter'
  | 'gauge'
  | 'gaugehistogram'
  | 'histogram'
  | 'info'
  | 'stateset'
  | 'summary'
  | 'unknown'
  | 'untyped';

/** What the sample names of a family may have behind its name. The text format's counters have their own name. */
export const sampleSuffixes: Readonly<Record<MetricType, readonly string[]>> = {
  counter: ['', '_total', '_created'],
  gauge: [''],
  gaugehistogram: ['_bucket', '_gsum', '_gcount'],
  histogram: ['_bucket', '_sum', '_count', '_created'],
  info: ['_info'],
  stateset: [''],
  summary: ['', '_sum', '_count', '_created'],
  unknown: [''],
  untyped: [''],
};

export function isMetricType(text: string): text is MetricType {
  return Object.hasOwn(sampleSuffixes, text);
}

const typesOf: Readonly<Record<ExpositionFormat, readonly MetricType[]>> = {
  text: ['counter', 'gauge', 'histogram', 'summary', 'untyped'],
  openmetrics: ['counter', 'gauge', 'gaugehistogram', 'histogram', 'info', 'stateset', 'summary', 'unknown'],
};

/** The type that a format knows by this name. */
export function typeOf(text: string, format: ExpositionFormat): MetricType | undefined {
  return typesOf[format].find((known) => known === text);
}

/** The same of a metric that is written: what the format does not know is its word for any other. */
export function writtenType(type: string, format: ExpositionFormat): MetricType {
  return typeOf(type, format) ?? (format === 'text' ? 'untyped' : 'unknown');
}
