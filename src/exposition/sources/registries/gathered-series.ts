import type { GatheredValue } from './prom-client-metrics.js';
import { exemplarText, inBraces, joinPairs, labelPairs, valueText } from './sample-text.js';
import { seriesIdentity, type Series, type SeriesContext } from './series.js';

/** Labels that tell apart the lines of one series. */
const lineLabels: Readonly<Record<string, readonly string[]>> = {
  histogram: ['le'],
  summary: ['quantile'],
};

/** The values of any other metric, as its `get()` gave them: one line each. */
export function gatheredSeries(
  values: readonly GatheredValue[],
  type: string,
  { sampleName, defaultLabels, format }: SeriesContext,
): Series {
  const suffix = format === 'openmetrics' && type === 'counter' ? '_total' : '';
  return {
    length: values.length,
    write(index) {
      const value = values[index];
      if (value === undefined) return '';
      const { labels = {}, sharedLabels = {}, exemplar } = value;
      const name = value.metricName === undefined ? sampleName : `${value.metricName}${suffix}`;
      const ownPairs = labelPairs({ ...labels, ...defaultLabels, ...labels }, sharedLabels);
      const braced = inBraces(joinPairs(ownPairs, labelPairs(sharedLabels)));
      const exemplified = exemplar && format === 'openmetrics' ? exemplarText(exemplar) : '';
      return `${name}${braced} ${valueText(value.value)}${exemplified}\n`;
    },
    identity(index) {
      const value = values[index];
      if (value === undefined) return undefined;
      const labels = Object.entries({ ...value.labels, ...value.sharedLabels });
      const apart = lineLabels[type];
      if (apart === undefined) {
        return `${value.metricName ?? ''}${seriesIdentity(Object.fromEntries(labels), defaultLabels)}`;
      }
      const kept = labels.filter(([name]) => !apart.includes(name));
      return seriesIdentity(Object.fromEntries(kept), defaultLabels);
    },
  };
}
