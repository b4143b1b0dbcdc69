import type { HashMap, ValueEntry } from './prom-client-metrics.js';
import { exemplarText, inBraces, valueText } from './sample-text.js';
import { allLabelPairs, keyedSeries, type Series, type SeriesContext } from './series.js';

/** Counters and gauges: one line a series. */
export function valueSeries(hashMap: HashMap<ValueEntry>, context: SeriesContext): Series {
  const { sampleName, defaultLabels, format } = context;
  return keyedSeries(hashMap, context, ({ labels, value, exemplar }) => {
    const exemplified = exemplar !== undefined && format === 'openmetrics' ? exemplarText(exemplar) : '';
    return `${sampleName}${inBraces(allLabelPairs(labels, defaultLabels))} ${valueText(value)}${exemplified}\n`;
  });
}
