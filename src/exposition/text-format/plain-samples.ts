import type { ExpositionFormat } from './exposition-format.js';
import type { SampleBatch } from './exposition-part.js';
import { backslash, lineFeed, quotationMark, space } from './labels.js';
import { maxMetricNameLength } from './metric-name.js';

const name = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const labelName = '[a-zA-Z_][a-zA-Z0-9_]*';
const labelValue = String.raw`[^"\\\n]*(?:\\[\\"n][^"\\\n]*)*`;
const label = `${labelName}="${labelValue}"`;
/** 200 digits with an exponent of 99 are within float64. */
const maxDigits = 200;
const digits = `[0-9]{1,${maxDigits}}`;
const value = String.raw`(?:[+-]?(?:${digits}(?:\.[0-9]{0,200})?|\.${digits})(?:[eE][+-]?[0-9]{1,2})?|N[aA]N|[+-]?Inf)`;
const seconds = String.raw`(?: -?${digits}(?:\.${digits})?)?`;
/** Most lines have few labels. One with more is read by `readSample`. */
const maxLabels = 32;
const labels = String.raw`\{(?:${label}(?:,${label}){0,${maxLabels - 1}},?)?\}`;
/** A line up to its value. Nothing here can be matched in two ways: what does not fit is rejected in linear time. */
const lineHead = new RegExp(`(${name})(?:${labels})? `, 'y');
const nextLabel = new RegExp(`[{,](${labelName})="${labelValue}"`, 'y');
const plainNumber = new RegExp(value, 'y');
/** What may stand behind OpenMetrics' value, beside nothing: a timestamp, and an exemplar. */
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

/** A line up to its value: another with the same names differs from it in values of labels alone. */
interface LineHead {
  readonly name: string;
  /** In this order. */
  readonly labelNames: readonly string[];
  readonly line: Lines;
  /** For each byte of a label's value, with its closing quotation mark, where that mark is; 0 for any other byte. */
  readonly valueEnds: readonly number[];
}

/** Undefined where the line at `start` is not plain up to its value. */
function headOf({ bytes, text }: Lines, start: number): LineHead | undefined {
  lineHead.lastIndex = start;
  const [head = '', found = ''] = lineHead.exec(text) ?? [];
  const { length } = found;
  if (length === 0 || length > maxMetricNameLength || head.length > maxLineLength) return undefined;
  const labelNames: string[] = [];
  const valueEnds = new Array<number>(head.length).fill(0);
  nextLabel.lastIndex = start + length;
  for (let at = length, pair = nextLabel.exec(text); pair !== null; pair = nextLabel.exec(text)) {
    const [, key = ''] = pair;
    if (key === '__name__' || labelNames.includes(key)) return undefined;
    labelNames.push(key);
    const end = nextLabel.lastIndex - start;
    // Behind the brace or comma, the name, the equals sign and the quotation mark.
    valueEnds.fill(end - 1, at + key.length + 3, end);
    at = end;
  }
  // Not a part of the text, which names would keep in memory.
  const name = bytes.toString('latin1', start, start + length);
  return {
    name,
    labelNames,
    line: new Lines(Buffer.from(head, 'latin1')),
    valueEnds,
  };
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
  readonly #format: ExpositionFormat;
  readonly #maxLength: number;
  /** The newest first. */
  readonly #heads: LineHead[] = [];

  /** @param maxLength of a line (bytes). */
  constructor(format: ExpositionFormat, maxLength: number) {
    this.#format = format;
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
    const head = headOf(lines, start);
    if (head === undefined || !this.#findAll(lines, start, head, lineEnds)) return undefined;
    if (this.#heads.unshift(head) > maxKnownHeads) this.#heads.pop();
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
    if (this.#format === 'text') return endOfTimestamp(lines.bytes, at);
    openMetricsRest.lastIndex = at;
    return openMetricsRest.test(lines.text) ? openMetricsRest.lastIndex : 0;
  }
}

/** Where the value begins of a line that has the same names; 0 where it has not. */
function endOfHead(lines: Lines, start: number, known: LineHead): number {
  const { bytes, words } = lines;
  const { bytes: knownBytes, words: knownWords } = known.line;
  const knownEnd = knownBytes.length;
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
