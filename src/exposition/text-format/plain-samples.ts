import type { ExpositionFormat } from './exposition-format.js';
import { maxMetricNameLength } from './metric-name.js';

const name = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const labelName = '[a-zA-Z_][a-zA-Z0-9_]*';
const labelValue = String.raw`"[^"\\\n]*(?:\\[\\"n][^"\\\n]*)*"`;
/** 200 digits with an exponent of 99 are within float64. */
const digits = '[0-9]{1,200}';
const value = String.raw`(?:[+-]?(?:${digits}(?:\.[0-9]{0,200})?|\.${digits})(?:[eE][+-]?[0-9]{1,2})?|N[aA]N|[+-]?Inf)`;
const seconds = String.raw`(?: -?${digits}(?:\.${digits})?)?`;
const labels = String.raw`\{(?:${labelName}=${labelValue}(?:,${labelName}=${labelValue})*,?)?\}`;
/** What may stand behind a value: a timestamp, and an exemplar. */
const behind: Readonly<Record<ExpositionFormat, string>> = {
  text: '(?: [0-9]{1,18})?',
  openmetrics: `${seconds}(?: # ${labels} ${value}${seconds})?`,
};

/** How many labels a line may have. Most lines have few, which are found faster; one with more is read by `readSample`. */
const labelBounds = [8, 32];

/** Optional labels in braces; `nameOf` is the pattern of each name. */
function labelsOf(maxLabels: number, nameOf: (label: number) => string): string {
  let labels = '';
  for (let label = maxLabels; label > 0; label -= 1) {
    labels = `${nameOf(label)}=${labelValue}${labels === '' ? '' : `(?:,${labels})?`}`;
  }
  return String.raw`(?:\{(?:${labels},?)?\})?`;
}

/**
 * Lines of one name without needless blanks, whose labels have the same names in the same order as those of the first
 * line, or fewer. Nothing can be matched in two ways, so that a line that does not fit is rejected in linear time. The
 * names of the labels are caught, to be checked once for all lines.
 */
function plainSamples(format: ExpositionFormat, maxLabels: number): RegExp {
  const rest = ` ${value}${behind[format]}\\n`;
  const first = `(${name})${labelsOf(maxLabels, () => `(${labelName})`)}${rest}`;
  // A group that caught nothing matches everywhere.
  const others = `\\1${labelsOf(maxLabels, (label) => `(?!=)\\${label + 1}`)}${rest}`;
  return new RegExp(`${first}(?:${others})*`, 'y');
}

const patterns: Readonly<Record<ExpositionFormat, readonly RegExp[]>> = {
  text: labelBounds.map((bound) => plainSamples('text', bound)),
  openmetrics: labelBounds.map((bound) => plainSamples('openmetrics', bound)),
};

/** Longer lines are read by `readSample`, so that no match is slow. */
const maxLineLength = 4096;

export interface PlainSamples {
  readonly name: string;
  /** Those of the first line; any other has no other ones, and no other order. */
  readonly labelNames: readonly string[];
  /** For each line, where the next one begins, counted from where the samples do. */
  readonly lineEnds: readonly number[];
}

/**
 * The plain samples of one name that begin at `start`; undefined where the first sample is not plain. Then it has to be
 * read piece by piece by `readSample`, which takes several times as long, and takes all that is found here.
 *
 * @param lines UTF-8 as Latin-1, each character a byte; whole lines.
 * @param maxLength of a line.
 */
export function plainSamplesAt(
  lines: string,
  start: number,
  format: ExpositionFormat,
  maxLength: number,
): PlainSamples | undefined {
  for (const pattern of patterns[format]) {
    pattern.lastIndex = start;
    const found = pattern.exec(lines);
    if (found === null) continue;
    const name = found[1] ?? '';
    const labelNames = labelNamesIn(found);
    if (labelNames === undefined || name.length > maxMetricNameLength) return undefined;
    const limit = Math.min(maxLength, maxLineLength);
    const lineEnds: number[] = [];
    for (let at = start, end = pattern.lastIndex; at < end;) {
      const next = lines.indexOf('\n', at) + 1;
      if (next - at > limit) break;
      lineEnds.push(next - start);
      at = next;
    }
    return lineEnds.length === 0 ? undefined : { name, labelNames, lineEnds };
  }
  return undefined;
}

/** The names of the first line's labels; undefined where two have one name, or one is called `__name__`. */
function labelNamesIn(found: readonly (string | undefined)[]): readonly string[] | undefined {
  const names: string[] = [];
  for (let label = 2; label < found.length; label += 1) {
    const name = found[label];
    if (name === undefined) break;
    if (name === '__name__' || names.includes(name)) return undefined;
    names.push(name);
  }
  return names;
}
