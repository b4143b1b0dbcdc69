import type { ExpositionFormat } from './exposition-format.js';
import {
  backslash,
  closingBrace,
  comma,
  equalsSign,
  lineFeed,
  openingBrace,
  quotationMark,
  space,
} from './labels.js';
import { maxMetricNameLength } from './metric-name.js';

const label = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*(?:\\[\\"n][^"\\\n]*)*"`;
/** 200 digits with an exponent of 99 are within float64. */
const maxDigits = 200;
const digits = `[0-9]{1,${maxDigits}}`;
const value = String.raw`(?:[+-]?(?:${digits}(?:\.[0-9]{0,200})?|\.${digits})(?:[eE][+-]?[0-9]{1,2})?|N[aA]N|[+-]?Inf)`;
const seconds = String.raw`(?: -?${digits}(?:\.${digits})?)?`;
/** Most lines have few labels. One with more is read by `readSample`. */
const maxLabels = 32;
const labels = String.raw`\{(?:${label}(?:,${label}){0,${maxLabels - 1}},?)?\}`;
/**
 * What may stand behind OpenMetrics' value, beside nothing: a timestamp, and an exemplar. Nothing can be matched in two
 * ways: what does not fit is rejected in linear time.
 */
const openMetricsRest = new RegExp(`${seconds}(?: # ${labels} ${value}${seconds})?\\n`, 'y');

/** Longer lines are read by `readSample`. */
const maxLineLength = 4096;
/** A histogram's samples have three names in turn. */
const maxKnownHeads = 4;

const plusSign = 0x2b;
const minusSign = 0x2d;
const point = 0x2e;
const [zero, nine] = [0x30, 0x39];

/** Complete lines. */
export class Lines {
  /** The same bytes, to be compared eight at a time. */
  readonly words: DataView;
  #text: string | undefined;

  constructor(readonly bytes: Buffer) {
    this.words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Each character is a byte. Made when it is asked for. */
  get text(): string {
    return (this.#text ??= this.bytes.toString('latin1'));
  }
}

/** What the samples of a batch have in common. */
export interface PlainNames {
  readonly name: string;
  /** In this order. */
  readonly labelNames: readonly string[];
}

/** What is remembered of a line: another with the same names differs from it in values of labels alone. */
class LineHead implements PlainNames {
  name = '';
  labelNames: readonly string[] = [];
  /** How much of the line stands before its value (bytes). */
  length = 0;
  lines = new Lines(Buffer.alloc(256));
  /** For each byte of a label's value, with its closing quotation mark, where that mark is; 0 for any other byte. */
  valueEnds = new Uint16Array(256);

  /** Remembers the line at `start`; returns whether it is plain up to its value. */
  read(bytes: Buffer, start: number): boolean {
    const nameEnd = endOfName(bytes, start, true);
    if (nameEnd === start || nameEnd - start > maxMetricNameLength) return false;
    const labelNames: string[] = [];
    const values: number[] = [];
    let at = nameEnd;
    if (bytes[at] === openingBrace) {
      do {
        const labelStart = at + 1;
        // There may be a comma behind the last one.
        if (bytes[labelStart] === closingBrace) at = labelStart;
        else {
          at = endOfName(bytes, labelStart, false);
          if (at === labelStart || bytes[at] !== equalsSign || bytes[at + 1] !== quotationMark) return false;
          const valueEnd = endOfValue(bytes, at + 2);
          const labelName = bytes.toString('latin1', labelStart, at);
          if (valueEnd === 0 || labelName === '__name__' || labelNames.includes(labelName)) return false;
          labelNames.push(labelName);
          values.push(at + 2, valueEnd);
          at = valueEnd + 1;
        }
      } while (bytes[at] === comma && labelNames.length < maxLabels);
      if (bytes[at++] !== closingBrace) return false;
    }
    if (bytes[at++] !== space || at - start > maxLineLength) return false;
    this.#remember(bytes, start, at, values);
    const name = bytes.toString('latin1', start, nameEnd);
    if (name !== this.name) this.name = name;
    this.labelNames = labelNames;
    return true;
  }

  #remember(bytes: Buffer, start: number, end: number, values: readonly number[]): void {
    const length = end - start;
    if (length > this.valueEnds.length) {
      this.lines = new Lines(Buffer.alloc(maxLineLength));
      this.valueEnds = new Uint16Array(maxLineLength);
    }
    this.length = length;
    bytes.copy(this.lines.bytes, 0, start, end);
    this.valueEnds.fill(0, 0, length);
    for (let at = 0; at < values.length; at += 2) {
      const [valueStart = 0, valueEnd = 0] = [values[at], values[at + 1]];
      this.valueEnds.fill(valueEnd - start, valueStart - start, valueEnd - start + 1);
    }
  }
}

/** Where a name ends: of a metric, which may have colons, or of a label. */
function endOfName(bytes: Buffer, start: number, isMetric: boolean): number {
  for (let at = start; ; at += 1) {
    const byte = bytes[at] ?? 0;
    const letter = byte | 0x20;
    const isLetter = (letter >= 0x61 && letter <= 0x7a) || byte === 0x5f || (isMetric && byte === 0x3a);
    if (!isLetter && (at === start || !isDigit(byte))) return at;
  }
}

/** The position of the quotation mark that closes a label's value; 0 where an escape is none, or the line ends. */
function endOfValue(bytes: Buffer, start: number): number {
  let at = start;
  for (let byte = bytes[at]; byte !== quotationMark; byte = bytes[(at += 1)]) {
    if (byte === lineFeed || byte === undefined) return 0;
    if (byte === backslash) {
      byte = bytes[(at += 1)];
      if (byte !== backslash && byte !== quotationMark && byte !== 0x6e) return 0;
    }
  }
  return at;
}

/**
 * Reads samples without needless blanks whose numbers and escapes are simple, line by line: beside their numbers, only
 * values of labels that differ from an earlier line's are looked at byte by byte.
 */
export class PlainSampleReader {
  readonly #format: ExpositionFormat;
  readonly #maxLength: number;
  readonly #heads: LineHead[] = [];
  /** The one that is forgotten for the next. */
  #next = 0;

  /** @param maxLength of a line (bytes). */
  constructor(format: ExpositionFormat, maxLength: number) {
    this.#format = format;
    this.#maxLength = Math.min(maxLength, maxLineLength);
  }

  /**
   * Finds the plain samples that begin at `start`, of one name and with labels of the same names, and adds to
   * `lineEnds` where the line behind each of them begins, counted from `start`. Returns what they have in common;
   * undefined where the first sample is not plain. Then it has to be read by `readSample`, which takes several times as
   * long, and takes all that is found here.
   */
  find(lines: Lines, start: number, lineEnds: number[]): PlainNames | undefined {
    for (const known of this.#heads) if (this.#findAll(lines, start, known, lineEnds)) return known;
    const head = this.#heads[this.#next] ?? new LineHead();
    if (!head.read(lines.bytes, start)) return undefined;
    this.#heads[this.#next] = head;
    if (!this.#findAll(lines, start, head, lineEnds)) return undefined;
    this.#next = (this.#next + 1) % maxKnownHeads;
    return head;
  }

  #findAll(lines: Lines, start: number, known: LineHead, lineEnds: number[]): boolean {
    const { length } = lines.bytes;
    let at = start;
    while (at < length) {
      const end = this.#lineEnd(lines, at, known);
      if (end === 0 || end - at > this.#maxLength) break;
      lineEnds.push(end - start);
      at = end;
    }
    return at > start;
  }

  /** Where the line ends that begins at `start`; 0 where it is not plain, or has other names. */
  #lineEnd(lines: Lines, start: number, known: LineHead): number {
    const valueStart = endOfHead(lines, start, known);
    if (valueStart === 0) return 0;
    const at = endOfNumber(lines.bytes, valueStart);
    if (at === 0 || lines.bytes[at] === lineFeed) return at === 0 ? 0 : at + 1;
    if (this.#format === 'text') return endOfTimestamp(lines.bytes, at);
    openMetricsRest.lastIndex = at;
    return openMetricsRest.test(lines.text) ? openMetricsRest.lastIndex : 0;
  }
}

/** Where the value begins of a line that has the same names; 0 where it has not. */
function endOfHead(lines: Lines, start: number, known: LineHead): number {
  const { bytes, words } = lines;
  const { bytes: knownBytes, words: knownWords } = known.lines;
  const knownLength = known.length;
  const lastWord = bytes.length - 8;
  let at = start;
  let knownAt = 0;
  for (;;) {
    // As numbers: no text is one zero that equals the other, and NaN, which equals nothing, is left to the bytes.
    while (
      knownAt + 8 <= knownLength &&
      at <= lastWord &&
      words.getFloat64(at, true) === knownWords.getFloat64(knownAt, true)
    ) {
      at += 8;
      knownAt += 8;
    }
    if (
      knownAt + 4 <= knownLength &&
      at <= lastWord &&
      words.getInt32(at, true) === knownWords.getInt32(knownAt, true)
    ) {
      at += 4;
      knownAt += 4;
    }
    while (knownAt < knownLength && bytes[at] === knownBytes[knownAt]) {
      at += 1;
      knownAt += 1;
    }
    if (knownAt === knownLength) return at;
    const valueEnd = known.valueEnds[knownAt] ?? 0;
    // Where it differs may be behind half an escape.
    if (valueEnd === 0 || knownBytes[knownAt - 1] === backslash) return 0;
    at = endOfValue(bytes, at);
    if (at === 0) return 0;
    knownAt = valueEnd;
  }
}

function isDigit(byte: number): boolean {
  return byte >= zero && byte <= nine;
}

/** Where a plain number ends; 0 where none begins at `start`. */
function endOfNumber(bytes: Buffer, start: number): number {
  let at = start;
  let byte = bytes[at] ?? 0;
  if (byte === plusSign || byte === minusSign) byte = bytes[(at += 1)] ?? 0;
  const first = at;
  while (isDigit(byte)) byte = bytes[(at += 1)] ?? 0;
  let count = at - first;
  if (byte === point) {
    do byte = bytes[(at += 1)] ?? 0;
    while (isDigit(byte));
    count = at - first - 1;
  }
  if (count === 0) return at === first ? endOfWord(bytes, start, first) : 0;
  if (count > maxDigits) return 0;
  if (byte !== 0x65 && byte !== 0x45) return at;
  byte = bytes[(at += 1)] ?? 0;
  if (byte === plusSign || byte === minusSign) byte = bytes[(at += 1)] ?? 0;
  const exponent = at;
  while (isDigit(byte)) byte = bytes[(at += 1)] ?? 0;
  return at - exponent === 1 || at - exponent === 2 ? at : 0;
}

/** NaN without a sign, or Inf, at `first` behind a sign. */
function endOfWord(bytes: Buffer, start: number, first: number): number {
  const word = bytes.toString('latin1', first, first + 3);
  return word === 'Inf' || (start === first && (word === 'NaN' || word === 'NAN')) ? first + 3 : 0;
}

/** Where the line ends whose timestamp begins with the blank at `start`; 0 where none is there. */
function endOfTimestamp(bytes: Buffer, start: number): number {
  if (bytes[start] !== space) return 0;
  let at = start + 1;
  while (isDigit(bytes[at] ?? 0)) at += 1;
  const length = at - start - 1;
  // 18 digits are never beyond an int64.
  return length > 0 && length <= 18 && bytes[at] === lineFeed ? at + 1 : 0;
}
