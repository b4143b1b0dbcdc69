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
const suffixes: Readonly<Record<MetricType, readonly string[]>> = {
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
  return Object.hasOwn(suffixes, text);
}

/** Whether samples of this name stand in the family. */
export function isSampleNameOf(sampleName: string, family: string, type: MetricType): boolean {
  return (
    sampleName.startsWith(family) &&
    (sampleName.length === family.length || suffixes[type].includes(sampleName.slice(family.length)))
  );
}
