import type { ExpositionFormat } from './exposition-format.js';
import type { SampleBatch } from './exposition-part.js';
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
const plainNumber = new RegExp(value, 'y');
/**
 * What may stand behind OpenMetrics' value, beside nothing: a timestamp, and an exemplar. Nothing can be matched in two
 * ways: what does not fit is rejected in linear time.
 */
const openMetricsRest = new RegExp(`${seconds}(?: # ${labels} ${value}${seconds})?\\n`, 'y');

/** Longer lines are read by `readSample`. */
const maxLineLength = 4096;
/** A histogram's samples have three names in turn. */
const maxKnownHeads = 4;

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

/**
 * A line up to its value: another with the same names differs from it in values of labels alone. Where most names have
 * few lines, finding it takes much of the time: it is read byte by byte, into the memory of an earlier one.
 */
class LineHead {
  name = '';
  /** In this order. */
  labelNames: readonly string[] = [];
  /** In bytes. */
  length = 0;
  line = new Lines(Buffer.alloc(256));
  /** For each byte of a label's value, with its closing quotation mark, where that mark is; 0 for any other byte. */
  valueEnds = new Uint16Array(256);

  /** Remembers the line at `start`; returns false, and keeps the earlier one, where it is not plain up to its value. */
  read(bytes: Buffer, start: number): boolean {
    const nameEnd = endOfName(bytes, start, true);
    if (nameEnd === start || nameEnd - start > maxMetricNameLength) return false;
    const labelNames: string[] = [];
    const values: [start: number, end: number][] = [];
    let at = nameEnd;
    if (bytes[at] === openingBrace) {
      do {
        const labelStart = at + 1;
        at = endOfName(bytes, labelStart, false);
        // There may be a comma behind the last one.
        if (at === labelStart && bytes[at] === closingBrace) break;
        if (at === labelStart || labelNames.length === maxLabels) return false;
        if (bytes[at] !== equalsSign || bytes[at + 1] !== quotationMark) return false;
        const valueEnd = endOfValue(bytes, at + 2);
        const labelName = bytes.toString('latin1', labelStart, at);
        if (valueEnd === 0 || labelName === '__name__' || labelNames.includes(labelName)) return false;
        labelNames.push(labelName);
        values.push([at + 2 - start, valueEnd - start]);
        at = valueEnd + 1;
      } while (bytes[at] === comma);
      if (bytes[at++] !== closingBrace) return false;
    }
    if (bytes[at++] !== space || at - start > maxLineLength) return false;
    if (at - start > this.valueEnds.length) {
      this.line = new Lines(Buffer.alloc(maxLineLength));
      this.valueEnds = new Uint16Array(maxLineLength);
    }
    this.name = bytes.toString('latin1', start, nameEnd);
    this.labelNames = labelNames;
    this.length = bytes.copy(this.line.bytes, 0, start, at);
    this.valueEnds.fill(0, 0, this.length);
    for (const [first, end] of values) this.valueEnds.fill(end, first, end + 1);
    return true;
  }
}

/** Where a name ends: of a metric, which may have colons, or of a label. */
function endOfName(bytes: Buffer, start: number, isMetric: boolean): number {
  for (let at = start; ; at += 1) {
    const byte = bytes[at] ?? 0;
    const letter = byte | 0x20;
    const isLetter = (letter >= 0x61 && letter <= 0x7a) || byte === 0x5f || (isMetric && byte === 0x3a);
    if (!isLetter && (at === start || byte < zero || byte > nine)) return at;
  }
}

/** Plain samples as they came. */
class PlainBatch implements SampleBatch {
  readonly kind = 'samples';
  readonly sampleName: string;
  readonly nameLength: number;
  readonly labelNames: readonly string[];
  /** Where they end in the lines. */
  readonly end: number;

  constructor(
    { name, labelNames }: LineHead,
    readonly line: number,
    readonly lineEnds: readonly number[],
    private readonly lines: Lines,
    private readonly start: number,
  ) {
    this.sampleName = name;
    this.nameLength = name.length;
    this.labelNames = labelNames;
    this.end = start + (lineEnds.at(-1) ?? 0);
  }

  /** Made when it is asked for, as the text is: most readers need one of them. */
  get bytes(): Buffer {
    return this.lines.bytes.subarray(this.start, this.end);
  }

  get text(): string {
    return this.lines.text.slice(this.start, this.end);
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
  readonly #maxLength: number;
  readonly #heads: LineHead[] = [];
  /** The one that is forgotten for the next. */
  #next = 0;
  /** The memory for one more while there are few. Kept: there may be no end of lines that have no head. */
  #unused = new LineHead();

  /** @param maxLength of a line (bytes). */
  constructor(
    private readonly format: ExpositionFormat,
    maxLength: number,
  ) {
    this.#maxLength = Math.min(maxLength, maxLineLength);
  }

  /**
   * The plain samples that begin at `start`, in line number `line`, of one name and with labels of the same names.
   * Undefined where the first sample is not plain. Then it has to be read by `readSample`, which takes several times as
   * long, and takes all that is found here.
   */
  find(lines: Lines, start: number, line: number): PlainBatch | undefined {
    const lineEnds: number[] = [];
    for (const known of this.#heads) {
      if (this.#findAll(lines, start, known, lineEnds))
        return new PlainBatch(known, line, lineEnds, lines, start);
    }
    const head = this.#heads[this.#next] ?? this.#unused;
    if (!head.read(lines.bytes, start)) return undefined;
    if (head === this.#unused) {
      this.#heads[this.#next] = head;
      this.#unused = new LineHead();
    }
    if (!this.#findAll(lines, start, head, lineEnds)) return undefined;
    this.#next = (this.#next + 1) % maxKnownHeads;
    return new PlainBatch(head, line, lineEnds, lines, start);
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
    const at = endOfNumber(lines, valueStart);
    if (at === 0 || lines.bytes[at] === lineFeed) return at === 0 ? 0 : at + 1;
    if (this.format === 'text') return endOfTimestamp(lines.bytes, at);
    openMetricsRest.lastIndex = at;
    return openMetricsRest.test(lines.text) ? openMetricsRest.lastIndex : 0;
  }
}

/** Where the value begins of a line that has the same names; 0 where it has not. */
function endOfHead(lines: Lines, start: number, known: LineHead): number {
  const { bytes, words } = lines;
  const { bytes: knownBytes, words: knownWords } = known.line;
  const knownEnd = known.length;
  const lastWord = bytes.length - 8;
  let at = start;
  let knownAt = 0;
  for (;;) {
    // As numbers: no text is one zero that equals the other, and NaN, which equals nothing, is left to the bytes.
    while (
      knownAt + 8 <= knownEnd &&
      at <= lastWord &&
      words.getFloat64(at, true) === knownWords.getFloat64(knownAt, true)
    ) {
      at += 8;
      knownAt += 8;
    }
    if (
      knownAt + 4 <= knownEnd &&
      at <= lastWord &&
      words.getInt32(at, true) === knownWords.getInt32(knownAt, true)
    ) {
      at += 4;
      knownAt += 4;
    }
    while (knownAt < knownEnd && bytes[at] === knownBytes[knownAt]) {
      at += 1;
      knownAt += 1;
    }
    if (knownAt === knownEnd) return at;
    const valueEnd = known.valueEnds[knownAt] ?? 0;
    // Where it differs may be behind half an escape.
    if (valueEnd === 0 || knownBytes[knownAt - 1] === backslash) return 0;
    at = endOfValue(bytes, at);
    if (at === 0) return 0;
    knownAt = valueEnd;
  }
}

function endOfDigits(bytes: Buffer, start: number): number {
  let at = start;
  for (let byte = bytes[at] ?? 0; byte >= zero && byte <= nine; byte = bytes[at] ?? 0) at += 1;
  return at;
}

/** Where a plain number ends; 0 where none begins at `start`. */
function endOfNumber(lines: Lines, start: number): number {
  const { bytes } = lines;
  let at = endOfDigits(bytes, start);
  if (at > start && bytes[at] === point) at = endOfDigits(bytes, at + 1);
  // Most have neither a sign nor an exponent.
  if (at > start && at - start <= maxDigits && (bytes[at] === lineFeed || bytes[at] === space)) return at;
  plainNumber.lastIndex = start;
  return plainNumber.test(lines.text) ? plainNumber.lastIndex : 0;
}

/** Where the line ends whose timestamp begins with the blank at `start`; 0 where none is there. */
function endOfTimestamp(bytes: Buffer, start: number): number {
  if (bytes[start] !== space) return 0;
  const at = endOfDigits(bytes, start + 1);
  const length = at - start - 1;
  // 18 digits are never beyond an int64.
  return length > 0 && length <= 18 && bytes[at] === lineFeed ? at + 1 : 0;
}
