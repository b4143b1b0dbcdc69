import { maxMetricNameLength } from './metric-name.js';

const name = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const label = String.raw`(?!__name__=)[a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*(?:\\[\\"n][^"\\\n]*)*"`;
const value = String.raw`(?:[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|NaN|[+-]?Inf)`;
const rest = String.raw`(?:\{(?:${label}(?:,${label})*,?)?\})? ${value}(?: -?[0-9]+)?\n`;

/**
 * Lines of one name, without a blank that does not have to be there and without an exemplar. Nothing of it can be
 * taken in two ways, so that a line that does not fit is known after two looks at it.
 */
const plainSamples = new RegExp(`(${name})${rest}(?:\\1${rest})*`, 'y');

/** A longer line may have more labels than are read. */
const maxLineLength = 4096;

export interface PlainSamples {
  readonly name: string;
  /** For each line, where the next one begins. */
  readonly lineEnds: readonly number[];
}

/**
 * The samples of one name that begin at `start`, as far as they are written as almost all are; undefined where the
 * first one is not. Those have to be read byte by byte, which takes several times as long, and finds valid all that
 * is found here.
 *
 * @param lines UTF-8 as Latin-1, each character a byte; whole lines.
 * @param maxLength of a line.
 */
export function plainSamplesAt(lines: string, start: number, maxLength: number): PlainSamples | undefined {
  plainSamples.lastIndex = start;
  const [samples = '', sampleName = ''] = plainSamples.exec(lines) ?? [];
  if (sampleName.length > maxMetricNameLength) return undefined;
  const limit = Math.min(maxLength, maxLineLength);
  const lineEnds: number[] = [];
  for (let at = start; at < start + samples.length;) {
    const next = lines.indexOf('\n', at) + 1;
    if (next - at > limit) break;
    lineEnds.push(next);
    at = next;
  }
  return lineEnds.length === 0 ? undefined : { name: sampleName, lineEnds };
}
