import type { Exemplar, HashMap, HistogramEntry } from './prom-client-metrics.js';
import { exemplarText, inBraces, joinPairs, labelPairs, valueText } from './sample-text.js';
import { keyedSeries, type Series, type SeriesContext } from './series.js';

/** The lines of one histogram, its buckets accumulated. Labels of the series stand last, as prom-client has them. */
export function histogramSeries(
  hashMap: HashMap<HistogramEntry>,
  upperBounds: readonly number[],
  context: SeriesContext,
): Series {
  const { sampleName, defaultLabels, format } = context;
  const bucketName = `${sampleName}_bucket`;
  const lePairs = upperBounds.map((bound) => `le="${bound}"`);
  const exemplified = (exemplar: Exemplar | null | undefined): string =>
    exemplar && format === 'openmetrics' ? exemplarText(exemplar) : '';
  return keyedSeries(hashMap, context, ({ labels, bucketValues, bucketExemplars, sum, count }) => {
    const ownPairs = labelPairs(labels);
    const pairs = joinPairs(labelPairs(defaultLabels, labels), ownPairs);
    const bucketPairs = joinPairs(labelPairs(defaultLabels, { le: '', ...labels }), ownPairs);
    const bucketEnd = bucketPairs === '' ? '} ' : `,${bucketPairs}} `;
    let lines = '';
    let accumulated = 0;
    for (const [index, bound] of upperBounds.entries()) {
      accumulated += bucketValues[bound] ?? NaN;
      lines += `${bucketName}{${lePairs[index] ?? ''}${bucketEnd}${valueText(accumulated)}${exemplified(bucketExemplars?.[bound])}\n`;
    }
    const braced = inBraces(pairs);
    return `${lines}${bucketName}{le="+Inf"${bucketEnd}${valueText(count)}${exemplified(bucketExemplars?.[-1])}
${sampleName}_sum${braced} ${valueText(sum)}
${sampleName}_count${braced} ${valueText(count)}
`;
  });
}
