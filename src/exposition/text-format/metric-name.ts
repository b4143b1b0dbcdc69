import { continuesMetricName, startsMetricName } from './characters.js';
import { LineFault } from './line-fault.js';

/** Far beyond what any metric is called; globs and tables of names need a bound. */
export const maxMetricNameLength = 1024;

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

export function isMetricName(text: string): boolean {
  return metricName.test(text) && text.length <= maxMetricNameLength;
}

/** At most 64 characters of a name, as JSON. */
export function quotedName(name: string): string {
  return JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
}

/** The name that begins at `start`; what stands behind it is not looked at. @throws LineFault */
export function readMetricName(bytes: Buffer, start: number): string {
  if (startsMetricName[bytes[start] ?? 0] === 0) {
    throw new LineFault('neither a sample nor a comment: no metric name begins so');
  }
  let end = start + 1;
  while (continuesMetricName[bytes[end] ?? 0] === 1) end += 1;
  if (end - start > maxMetricNameLength) {
    throw new LineFault(`a metric name of more than ${maxMetricNameLength} characters`);
  }
  return bytes.toString('latin1', start, end);
}
