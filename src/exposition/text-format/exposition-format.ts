import { parseMediaType } from './media-type.js';

/** Prometheus' text format, or OpenMetrics 1 in text. */
export type ExpositionFormat = 'text' | 'openmetrics';

/**
 * The format that Prometheus reads an exposition of this Content-Type in; undefined where it is none of these, as
 * OpenMetrics 2 is. Other versions are the same to it.
 */
export function expositionFormat(contentType: string): ExpositionFormat | undefined {
  const { essence = '', parameters } = parseMediaType(contentType) ?? {};
  switch (essence) {
    case 'text/plain':
      return 'text';
    case 'application/openmetrics-text':
      return parameters?.get('version') === '2.0.0' ? undefined : 'openmetrics';
    default:
      return undefined;
  }
}
