import type { ExpositionFormat } from './exposition-format.js';
import { LineFault } from './line-fault.js';
import { isMetricName } from './metric-name.js';
import { isMetricType, type MetricType } from './metric-type.js';

/** What a line says that begins with `#`. */
export type MetadataLine = FamilyMetadata | { readonly kind: 'end' } | { readonly kind: 'comment' };

export type FamilyMetadata =
  | { readonly kind: 'help'; readonly family: string; readonly text: string }
  | { readonly kind: 'type'; readonly family: string; readonly type: MetricType }
  | { readonly kind: 'unit'; readonly family: string; readonly text: string };

const metadata = /^#[ \t]+(HELP|TYPE|UNIT)[ \t]+([^ \t]*)(?:[ \t]+(.*))?$/s;
const textTypes: readonly string[] = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

/**
 * @param text without its line feed.
 * @throws LineFault
 */
export function readMetadataLine(text: string, format: ExpositionFormat): MetadataLine {
  if (format === 'openmetrics' && text === '# EOF') return { kind: 'end' };
  const [, keyword, family = '', rest = ''] = metadata.exec(text) ?? [];
  if (keyword === undefined || (keyword === 'UNIT' && format === 'text')) {
    if (format === 'text') return { kind: 'comment' };
    throw new LineFault('OpenMetrics has no such comment');
  }
  if (!isMetricName(family)) throw new LineFault(`${keyword} of no valid metric name`);
  switch (keyword) {
    case 'TYPE':
      return { kind: 'type', family, type: metricType(rest, format) };
    case 'UNIT':
      return { kind: 'unit', family, text: rest };
    default:
      return { kind: 'help', family, text: rest };
  }
}

function metricType(text: string, format: ExpositionFormat): MetricType {
  const isOfFormat = format === 'text' ? textTypes.includes(text) : text !== 'untyped';
  if (isMetricType(text) && isOfFormat) return text;
  throw new LineFault('TYPE is none of the format’s types');
}
