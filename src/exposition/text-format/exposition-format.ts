/** Prometheus' text format 0.0.4, or OpenMetrics 1.0 in text. */
export type ExpositionFormat = 'text' | 'openmetrics';

/** The format that a Content-Type names; undefined for any other, and for their versions to come. */
export function expositionFormat(contentType: string): ExpositionFormat | undefined {
  const [essence = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  const version = parameters.find((parameter) => parameter.startsWith('version='))?.slice('version='.length);
  switch (essence) {
    case 'text/plain':
      return version === undefined || version === '0.0.4' ? 'text' : undefined;
    case 'application/openmetrics-text':
      return version === undefined || version === '1.0.0' || version === '0.0.1' ? 'openmetrics' : undefined;
    default:
      return undefined;
  }
}
