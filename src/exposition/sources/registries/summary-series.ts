import type { ReadableMetric } from './prom-client-metrics.js';
import { inBraces, valueText } from './sample-text.js';
import { allLabelPairs, keyedSeries, type Series, type SeriesContext } from './series.js';

/** The lines of one summary. What has aged out of its window is forgotten, where it was made to forget. */
export function summarySeries(
  { hashMap, percentiles, pruneAgedBuckets }: ReadableMetric & { kind: 'summary' },
  context: SeriesContext,
): Series {
  const { sampleName, defaultLabels } = context;
  return keyedSeries(hashMap, context, ({ labels, td, sum, count }, key) => {
    if (pruneAgedBuckets && td.size() === 0) {
      Reflect.deleteProperty(hashMap, key);
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
  });
}
