/** Prometheus' text format, or OpenMetrics 1 in text. */
export type ExpositionFormat = 'text' | 'openmetrics';

/** As servers send them. */
export const contentTypes: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** As a scraper asks for the text format. */
export const acceptText = 'text/plain;version=0.0.4';

/**
 * The format in which Prometheus reads an exposition of this Content-Type; undefined if neither, as for OpenMetrics 2.
 * Other versions make no difference.
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

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const essence = new RegExp(`[ \\t]*(${token}/${token})[ \\t]*(?=;|$)`, 'y');
/** A value may be quoted. A trailing semicolon is allowed. */
const parameter = new RegExp(
  `;[ \\t]*(?:$|(${token})[ \\t]*=[ \\t]*(?:(${token})|"((?:[^"\\\\]|\\\\.)*)")[ \\t]*(?=;|$))`,
  'y',
);

/**
 * A media type with its parameters (RFC 9110, 8.3.1), all names in lower case; undefined for anything else, or a repeated
 * parameter.
 */
export function parseMediaType(text: string) {
  essence.lastIndex = 0;
  const [, type] = essence.exec(text) ?? [];
  if (type === undefined) return undefined;
  const parameters = new Map<string, string>();
  for (let at = essence.lastIndex; at < text.length; at = parameter.lastIndex) {
    parameter.lastIndex = at;
    const found = parameter.exec(text);
    if (found === null) return undefined;
    const [, name, value, quoted = ''] = found;
    if (name === undefined) continue;
    if (parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), value ?? quoted.replace(/\\(.)/g, '$1'));
  }
  return { essence: type.toLowerCase(), parameters };
}
