import { escapedText, LineFault } from './quoted-text.js';

/** Longer than any metric's name: globs and tables of names need a bound. */
export const maxMetricNameLength = 1024;

/** At most 64 characters of a name, as JSON. */
export function quotedName(name: string): string {
  return JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
}

/**
 * A name that was read as Latin-1. It is a copy: a substring would keep all of the text in memory, and names are kept
 * for long.
 *
 * @throws LineFault
 */
export function decodedName(latin1: string): string {
  if (latin1 === '') throw new LineFault('a metric has no name');
  if (latin1.length > maxMetricNameLength) {
    throw new LineFault(`a metric name of more than ${maxMetricNameLength} characters`);
  }
  return Buffer.from(latin1, 'latin1').toString();
}

/** Whether it can be written without quotation marks. */
export function isPlainName(name: string): boolean {
  return /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name);
}

/** As it stands in HELP and TYPE. */
export function writtenName(name: string): string {
  return isPlainName(name) ? name : `"${escapedText(name)}"`;
}
