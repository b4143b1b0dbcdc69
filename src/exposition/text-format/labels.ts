import {
  backslash,
  closingBrace,
  comma,
  continuesLabelName,
  equalsSign,
  isPlainInValue,
  letterN,
  lineFeed,
  quotationMark,
  skipBlanks,
  startsLabelName,
} from './characters.js';
import { LineFault } from './line-fault.js';

/**
 * Where the labels of a line stand: of each the start and the end of its name, then of its value, without quotation
 * marks and as escaped. One array is used for line after line, since most lines are read and forgotten.
 */
export type LabelSpans = number[];

/** More than any metric has; rules for labels look at each of a line. */
const maxLabels = 1000;

const metricNameLabel = Buffer.from('__name__');

/**
 * Reads the labels behind an opening brace, and returns where their closing brace ends. `spans` is emptied and
 * filled where it is given.
 *
 * Stricter than Prometheus, so that nothing is read differently here and there: a value is one line, only `\\`, `\"`
 * and `\n` are escapes, and no label is `__name__`.
 *
 * @throws LineFault
 */
export function readLabels(bytes: Uint8Array, start: number, spans?: LabelSpans): number {
  if (spans !== undefined) spans.length = 0;
  let at = start;
  for (let labels = 0; ; labels += 1) {
    at = skipBlanks(bytes, at);
    if (bytes[at] === closingBrace) return at + 1;
    if (labels === maxLabels) throw new LineFault(`more than ${maxLabels} labels`);
    const nameStart = at;
    if (startsLabelName[bytes[at] ?? 0] === 0) throw new LineFault('a label has no valid name');
    while (continuesLabelName[bytes[at] ?? 0] === 1) at += 1;
    const nameEnd = at;
    if (isMetricNameLabel(bytes, nameStart, nameEnd)) {
      throw new LineFault('a label is called "__name__"');
    }
    at = skipBlanks(bytes, at);
    if (bytes[at] !== equalsSign) throw new LineFault('no "=" behind a label name');
    at = skipBlanks(bytes, at + 1);
    if (bytes[at] !== quotationMark) throw new LineFault('a label value is not quoted');
    const valueStart = at + 1;
    const valueEnd = endOfValue(bytes, valueStart);
    spans?.push(nameStart, nameEnd, valueStart, valueEnd);
    at = skipBlanks(bytes, valueEnd + 1);
    if (bytes[at] === comma) at += 1;
    else if (bytes[at] !== closingBrace) throw new LineFault('no "," or "}" behind a label value');
  }
}

/** Where the closing quotation mark stands. */
function endOfValue(bytes: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    while (isPlainInValue[bytes[at] ?? lineFeed] === 1) at += 1;
    const byte = bytes[at];
    if (byte === quotationMark) return at;
    if (byte !== backslash) throw new LineFault('a label value is not closed');
    const escaped = bytes[at + 1];
    if (escaped !== backslash && escaped !== quotationMark && escaped !== letterN) {
      throw new LineFault('a label value has an escape that is not known');
    }
    at += 2;
  }
}

function isMetricNameLabel(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== metricNameLabel.length) return false;
  return metricNameLabel.every((byte, index) => bytes[start + index] === byte);
}
