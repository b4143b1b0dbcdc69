import { escapedText } from './quoted-text.js';
import { LineFault } from './line-fault.js';

/** Far beyond what any metric is called; globs and tables of names need a bound. */
export const maxMetricNameLength = 1024;

/** What can be written without quotation marks. */
const plainName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/** At most 64 characters of a name, as JSON. */
export function quotedName(name: string): string {
  return JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
}

/** A histogram's samples have three names in turn. */
const maxKnownNames = 4;

/** Names of metrics as they were read from UTF-8 as Latin-1, those of neighbouring lines once. */
export class MetricNames {
  readonly #latin1: string[] = [];
  readonly #names: string[] = [];

  /**
   * A copy: a part of a text keeps all of it in memory, and names are kept for long.
   *
   * @throws LineFault
   */
  of(latin1: string): string {
    const known = this.#names[this.#latin1.indexOf(latin1)];
    if (known !== undefined) return known;
    if (latin1 === '') throw new LineFault('a metric has no name');
    if (latin1.length > maxMetricNameLength) {
      throw new LineFault(`a metric name of more than ${maxMetricNameLength} characters`);
    }
    const bytes = Buffer.from(latin1, 'latin1');
    const name = bytes.toString('utf8');
    if (this.#names.unshift(name) > maxKnownNames) this.#names.pop();
    if (this.#latin1.unshift(bytes.toString('latin1')) > maxKnownNames) this.#latin1.pop();
    return name;
  }
}

export function isPlainName(name: string): boolean {
  return plainName.test(name);
}

/** As it stands in HELP and TYPE. */
export function writtenName(name: string): string {
  return isPlainName(name) ? name : `"${escapedText(name)}"`;
}
