import { escapedText, LineFault } from './quoted-text.js';

/** Longer than any metric's name: globs and tables of names need a bound. */
export const maxMetricNameLength = 1024;

/** At most 64 characters of a name, as JSON. */
export function quotedName(name: string): string {
  return JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
}

/** A histogram's samples have three names in turn. */
const maxKnownNames = 4;

/** Decodes names that were read as Latin-1; remembers those of neighbouring lines. */
export class MetricNames {
  readonly #latin1: string[] = [];
  readonly #names: string[] = [];

  /**
   * Returns a copy: a substring would keep all of the text in memory, and names are kept for long.
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

/** Whether it can be written without quotation marks. */
export function isPlainName(name: string): boolean {
  return /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name);
}

/** As it stands in HELP and TYPE. */
export function writtenName(name: string): string {
  return isPlainName(name) ? name : `"${escapedText(name)}"`;
}
