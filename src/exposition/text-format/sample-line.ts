import type { ExpositionFormat } from './exposition-format.js';
import { isPlainName } from './metric-name.js';
import { escapedText, LineFault, openQuotedText, rewrittenText, unescaped } from './quoted-text.js';

/** One sample, written as a plain one (see `SampleBatch`). */
interface SampleLine {
  /** Unescaped; UTF-8 as Latin-1. */
  readonly latin1Name: string;
  /** With its line feed; UTF-8 as Latin-1. */
  readonly line: string;
  /** Where its name ends in `line`. */
  readonly nameEnd: number;
  /** Where the next line begins in what was read. */
  readonly end: number;
}

/** More than any metric has: each rule for labels looks at every label of a line. */
const maxLabels = 1000;

const quotedText = String.raw`"([^"\\]*(?:\\[^\n][^"\\]*)*)"`;
const quotedOnOneLine = String.raw`"([^"\\\n]*(?:\\[^\n][^"\\\n]*)*)"`;
const labelName = '([a-zA-Z_][a-zA-Z0-9_]*)';
/** A name, in quotation marks or not, and what stands behind it: an equals sign, a value and a comma, if they do. */
const labelPatterns = {
  text: new RegExp(
    `(?:${quotedText}|${labelName})[ \\t]*(?:(=)[ \\t]*(?:${quotedText})?)?[ \\t]*(,?)[ \\t]*`,
    'y',
  ),
  openmetrics: new RegExp(`(?:${quotedText}|${labelName})(?:(=)(?:${quotedOnOneLine})?)?(,?)`, 'y'),
  exemplar: new RegExp(`(?:${quotedOnOneLine}|${labelName})(?:(=)(?:${quotedOnOneLine})?)?(,?)`, 'y'),
};
const openingBrace = { text: /[ \t]*\{[ \t]*/y, openmetrics: /\{/y };
const closingBrace = /\}/y;
const metricName = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
/** A value, a timestamp and the end of the line, if they are there. */
const textRest = /[ \t]*([^{ \t\n]+)?[ \t]*([0-9]+)?[ \t]*(\n)?/y;
const openMetricsNumber = / ([^ \n]+)/y;
const exemplarStart = / # \{/y;
const lineEnd = /\n/y;

/**
 * Reads the sample that begins at `start`, exactly as Prometheus' parser takes it. In the text format blanks may stand
 * between all of its parts, a comma is needed nowhere, and label values may go on in the next line.
 *
 * @param text UTF-8 as Latin-1; whole lines.
 * @throws LineFault; it is open where more lines are needed.
 */
export function readSample(text: string, start: number, format: ExpositionFormat): SampleLine {
  const at = new Cursor(text, start);
  const plainName = at.take(metricName);
  try {
    return readNamed(at, plainName, format);
  } catch (error) {
    if (error instanceof LineFault) error.metric = plainName;
    throw error;
  }
}

function readNamed(at: Cursor, plainName: string | undefined, format: ExpositionFormat): SampleLine {
  const isBraced = at.take(openingBrace[format]) !== undefined;
  if (!isBraced && plainName === undefined) {
    throw new LineFault('neither a sample nor a comment: no metric name begins so');
  }
  const labels = isBraced ? readLabels(at, format, plainName !== undefined) : undefined;
  const name = plainName ?? labels?.name;
  const pairs = labels?.pairs ?? [];
  if (name === undefined) throw new LineFault('the sample has no metric name');
  const rest = format === 'text' ? readTextRest(at) : readOpenMetricsRest(at);
  if (isPlainName(name)) {
    const braced = pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
    return { latin1Name: name, line: `${name}${braced}${rest}\n`, nameEnd: name.length, end: at.place };
  }
  const head = `{"${escapedText(name)}"`;
  const line = `${[head, ...pairs].join(',')}}${rest}\n`;
  return { latin1Name: name, line, nameEnd: head.length, end: at.place };
}

function readTextRest(at: Cursor): string {
  const [, value, timestamp, end] = at.match(textRest) ?? [];
  if (value === undefined) throw new LineFault('the sample has no value');
  const number = numberOf(value, 'the value');
  if (timestamp !== undefined && !isInt64(timestamp)) throw new LineFault('the timestamp is beyond an int64');
  if (end !== undefined) return ` ${number}${timestamp === undefined ? '' : ` ${timestamp}`}`;
  throw new LineFault(
    timestamp === undefined ? 'the timestamp is not a whole number' : 'more text behind the sample',
  );
}

function readOpenMetricsRest(at: Cursor): string {
  const value = at.take(openMetricsNumber);
  if (value === undefined) throw new LineFault('the sample has no value');
  let rest = ` ${numberOf(value, 'the value')}`;
  if (!at.isAt(exemplarStart)) rest += readSeconds(at, 'the timestamp');
  if (at.take(exemplarStart) !== undefined) {
    const { pairs } = readLabels(at, 'exemplar', true);
    const exemplarValue = at.take(openMetricsNumber);
    if (exemplarValue === undefined) throw new LineFault('the exemplar has no value');
    rest += ` # {${pairs.join(',')}} ${numberOf(exemplarValue, 'the value of the exemplar')}`;
    rest += readSeconds(at, 'the timestamp of the exemplar');
  }
  if (at.take(lineEnd) === undefined) throw new LineFault('more text behind the sample');
  return rest;
}

/** A timestamp of OpenMetrics, with the blank before it; empty where there is none. */
function readSeconds(at: Cursor, what: string): string {
  const timestamp = at.take(openMetricsNumber);
  if (timestamp === undefined) return '';
  const seconds = numberOf(timestamp, what);
  if (/^(?:NaN|[+-]Inf)$/.test(seconds)) throw new LineFault(`${what} is not finite`);
  return ` ${seconds}`;
}

const decimal = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i;
const infinity = /^[+-]?inf(?:inity)?$/i;
/** A longer number is rewritten: Go reads at most five digits of an exponent. */
const maxKeptLength = 32;

/**
 * A number that Prometheus reads, which is what Go's strconv.ParseFloat takes but for hexadecimal numbers and
 * underscores; written so that every scraper reads it.
 */
function numberOf(text: string, what: string): string {
  if (decimal.test(text)) {
    const value = Number(text);
    if (Number.isFinite(value)) {
      if (text.length <= maxKeptLength) return text;
      return Object.is(value, -0) ? '-0' : String(value);
    }
  }
  if (infinity.test(text)) return text.startsWith('-') ? '-Inf' : '+Inf';
  if (/^nan$/i.test(text)) return 'NaN';
  throw new LineFault(`${what} is not a number, or beyond float64`);
}

const maxInt64 = '9223372036854775807';

/** Whether an int64 holds these milliseconds. */
function isInt64(digits: string): boolean {
  const significant = digits.replace(/^0+/, '');
  const { length } = maxInt64;
  return significant.length < length || (significant.length === length && significant <= maxInt64);
}

/**
 * The labels behind an opening brace, up to the closing one. A quoted text without a value is the metric's name.
 * Prometheus does not read escapes in exemplars: their values are left as they are.
 */
function readLabels(at: Cursor, kind: keyof typeof labelPatterns, hasName: boolean) {
  const isExemplar = kind === 'exemplar';
  // Prometheus has the metric's name among the labels, and no label without a name.
  const names = new Set(['__name__', '']);
  const pairs: string[] = [];
  let name: string | undefined;
  while (at.take(closingBrace) === undefined) {
    const [found, quoted, label = quoted, equals, value, comma] = at.match(labelPatterns[kind]) ?? [];
    if (found === undefined) at.checkQuote(!isExemplar);
    // NUL may stand in values alone.
    if (label === undefined || label.includes('\0')) throw new LineFault('a label has no valid name');
    if (equals === undefined) {
      if (quoted === undefined || isExemplar) throw new LineFault('no "=" behind a label name');
      if (hasName || name !== undefined) throw new LineFault('the metric is named twice');
      name = unescaped(quoted);
    } else {
      if (value === undefined && comma === '') at.checkQuote(kind === 'text');
      if (value === undefined) throw new LineFault('a label value is not quoted');
      names.add(unescaped(label));
      pairs.push(labelPair(label, value, isExemplar));
      if (!isExemplar && names.size < pairs.length + 2)
        throw new LineFault('a label stands twice, is called "__name__" or has no name');
      if (pairs.length > maxLabels) throw new LineFault(`more than ${maxLabels} labels`);
    }
    const needsComma = kind !== 'text' || equals === undefined;
    if (comma === '' && needsComma && !at.isAt(closingBrace)) {
      throw new LineFault('no "," or "}" behind a label');
    }
  }
  return { name, pairs };
}

function labelPair(label: string, value: string, isExemplar: boolean): string {
  if (isExemplar) return `${isPlainLabel(label) ? label : `"${label}"`}="${value}"`;
  const name = unescaped(label);
  return `${isPlainLabel(name) ? name : `"${escapedText(name)}"`}="${rewrittenText(value)}"`;
}

function isPlainLabel(name: string): boolean {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name);
}

/** A place in a text. */
class Cursor {
  constructor(
    readonly text: string,
    public place: number,
  ) {}

  match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.place;
    const found = pattern.exec(this.text);
    if (found === null) return undefined;
    this.place = pattern.lastIndex;
    return found;
  }

  /** What stands here: the part in parentheses, where the pattern has one. */
  take(pattern: RegExp): string | undefined {
    const found = this.match(pattern);
    return found?.[1] ?? found?.[0];
  }

  isAt(pattern: RegExp): boolean {
    pattern.lastIndex = this.place;
    return pattern.test(this.text);
  }

  /** @throws LineFault where a quoted text begins here, since it does not end. */
  checkQuote(mayGoOn: boolean): void {
    if (this.text[this.place] !== '"') return;
    throw new LineFault('a quoted text is not closed', mayGoOn && this.isAt(openQuotedText));
  }
}
