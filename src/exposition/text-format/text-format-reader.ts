import { isUtf8 } from 'node:buffer';
import { TimeSlice } from '../../time-slice.js';
import { TextFormatError } from '../exposition-errors.js';
import type { ExpositionFormat } from './exposition-format.js';
import type { ExpositionPart, SampleBatch } from './exposition-part.js';
import { lineFeed } from './labels.js';
import { readMetadataLine } from './metadata-line.js';
import { MetricNames } from './metric-name.js';
import { Lines, PlainSampleReader, type PlainNames } from './plain-samples.js';
import { LineFault, OpenQuoteFault } from './quoted-text.js';
import { readSample } from './sample-line.js';

interface TextFormatReaderOptions {
  readonly format: ExpositionFormat;
  /** The longest line (bytes). Default 128 KiB: a line is read in one go. */
  readonly maxLineBytes?: number | undefined;
}

/** As small as possible without costing throughput: with short lines only, it takes some milliseconds. */
const maxPieceBytes = 8 * 1024;

/**
 * The parts of an exposition, a few at a time, while it comes. However much comes at once, the event loop is free
 * every few milliseconds.
 *
 * @throws TextFormatError at the first line that is malformed, and at the end where the exposition is not whole.
 */
export async function* readTextFormat(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: TextFormatReaderOptions,
): AsyncGenerator<readonly ExpositionPart[], void, undefined> {
  const reader = new TextFormatReader(options);
  const slice = new TimeSlice();
  for await (const chunk of body) {
    for (let at = 0, end = 0; at < chunk.byteLength; at = end) {
      end = at + maxPieceBytes;
      // Between two lines, if there are: a line that is cut apart is copied.
      const lineStart = end < chunk.byteLength ? chunk.lastIndexOf(lineFeed, end - 1) + 1 : 0;
      if (lineStart > at) end = lineStart;
      const parts = reader.read(chunk.subarray(at, end));
      if (parts.length > 0) yield parts;
      if (slice.isOver) await slice.rest();
    }
  }
  yield reader.end();
}

/** Sample lines of one name that had to be rewritten. */
interface WrittenBatch {
  readonly sampleName: string;
  readonly line: number;
  text: string;
  readonly nameLength: number;
  readonly lineEnds: number[];
}

/** Plain samples as they came. */
class PlainBatch implements SampleBatch {
  readonly kind = 'samples';
  readonly sampleName: string;
  readonly nameLength: number;
  readonly labelNames: readonly string[];
  /** Where they end in the lines. */
  readonly end: number;
  readonly #lines: Lines;
  readonly #start: number;

  constructor(
    { name, labelNames }: PlainNames,
    readonly line: number,
    readonly lineEnds: readonly number[],
    lines: Lines,
    start: number,
  ) {
    this.sampleName = name;
    this.nameLength = name.length;
    this.labelNames = labelNames;
    this.end = start + (lineEnds.at(-1) ?? 0);
    this.#lines = lines;
    this.#start = start;
  }

  /** Made when it is asked for, as the text is: most readers need one of them. */
  get bytes(): Buffer {
    return this.#lines.bytes.subarray(this.#start, this.end);
  }

  get text(): string {
    return this.#lines.text.slice(this.#start, this.end);
  }
}

const noBytes = Buffer.alloc(0);
const indent = /[ \t]*/y;

/**
 * Reads an exposition in pieces, cut anywhere, and returns their parts: accepts exactly what Prometheus accepts. Only an
 * incomplete line is held.
 */
export class TextFormatReader {
  readonly #format: ExpositionFormat;
  readonly #maxLineBytes: number;
  readonly #lines = new WholeLines();
  #parts: ExpositionPart[] = [];
  /** The number of the line that is being read, counted from 1. */
  #line = 1;
  /** Lines with a quoted text that has not ended. */
  #open: Buffer = noBytes;
  #batch: WrittenBatch | undefined;
  readonly #names = new MetricNames();
  readonly #plain: PlainSampleReader;
  #isAtEnd = false;

  constructor({ format, maxLineBytes = 128 * 1024 }: TextFormatReaderOptions) {
    this.#format = format;
    this.#maxLineBytes = maxLineBytes;
    this.#plain = new PlainSampleReader(format, maxLineBytes);
  }

  /** The parts that are known with this piece; they share its memory. @throws TextFormatError */
  read(piece: Uint8Array): readonly ExpositionPart[] {
    for (const lines of this.#lines.add(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))) {
      this.#readLines(lines, false);
    }
    if (this.#lines.restLength > this.#maxLineBytes) throw this.#tooLong();
    return this.#takeParts();
  }

  /** The rest after the last piece. @throws TextFormatError if the exposition is incomplete. */
  end(): readonly ExpositionPart[] {
    const rest = this.#lines.takeRest();
    // The last line may end without a line feed.
    if (rest.length > 0) this.#readLines(Buffer.concat([rest, Buffer.of(lineFeed)]), true);
    else if (this.#open.length > 0) this.#readLines(noBytes, true);
    if (this.#format === 'openmetrics' && !this.#isAtEnd) throw this.#error('cut off: "# EOF" is missing');
    return this.#takeParts();
  }

  #takeParts(): readonly ExpositionPart[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  #readLines(read: Buffer, isLast: boolean): void {
    const bytes = this.#open.length === 0 ? read : Buffer.concat([this.#open, read]);
    this.#open = noBytes;
    const isText = isUtf8(bytes);
    const lines = new Lines(bytes);
    for (let at = 0; at < bytes.length;) {
      if (this.#isAtEnd) throw this.#error('more lines behind "# EOF"');
      try {
        at = (isText ? this.#readPlainSamples(lines, at) : undefined) ?? this.#readLine(lines, at, isText);
      } catch (error) {
        if (!(error instanceof LineFault)) throw error;
        if (isLast || !(error instanceof OpenQuoteFault)) throw this.#error(error.message, error.metric);
        this.#open = Buffer.from(bytes.subarray(at));
        if (this.#open.length > this.#maxLineBytes) throw this.#tooLong();
        break;
      }
    }
    this.#closeBatch();
  }

  /** Returns where the next line begins; undefined where there are no plain samples. */
  #readPlainSamples(lines: Lines, start: number): number | undefined {
    const lineEnds: number[] = [];
    const head = this.#plain.find(lines, start, lineEnds);
    if (head === undefined) return undefined;
    this.#closeBatch();
    const batch = new PlainBatch(head, this.#line, lineEnds, lines, start);
    this.#parts.push(batch);
    this.#line += lineEnds.length;
    return batch.end;
  }

  /** Returns where the next line begins. @throws LineFault */
  #readLine(lines: Lines, start: number, isText: boolean): number {
    const { text } = lines;
    let at = start;
    if (this.#format === 'text') {
      indent.lastIndex = start;
      indent.test(text);
      at = indent.lastIndex;
      if (text[at] === '\n') {
        this.#closeBatch();
        if (at === start) this.#parts.push({ kind: 'blank' });
        this.#line += 1;
        return at + 1;
      }
    }
    const end = text[at] === '#' ? this.#readOther(text, at) : this.#readSample(lines, at, isText);
    if (end - start > this.#maxLineBytes) throw this.#tooLong();
    for (let next = start; next < end; next = text.indexOf('\n', next) + 1) this.#line += 1;
    return end;
  }

  #readSample({ bytes, text }: Lines, at: number, isText: boolean): number {
    const { latin1Name, line, nameEnd, end } = readSample(text, at, this.#format);
    if (!isText && !isUtf8(bytes.subarray(at, end))) throw new LineFault('is not UTF-8');
    const sampleName = this.#names.of(latin1Name);
    if (this.#batch?.sampleName !== sampleName) {
      this.#closeBatch();
      this.#batch = { sampleName, line: this.#line, text: '', nameLength: nameEnd, lineEnds: [] };
    }
    const batch = this.#batch;
    batch.text += line;
    batch.lineEnds.push(batch.text.length);
    return end;
  }

  /** Reads a line of metadata or a comment. */
  #readOther(text: string, at: number): number {
    const said = readMetadataLine(text, at, this.#format);
    if (said.kind === 'comment') return said.end;
    this.#closeBatch();
    if (said.kind === 'end') {
      this.#isAtEnd = true;
      this.#parts.push({ kind: 'end' });
    } else {
      const family = this.#names.of(said.latin1Family);
      this.#parts.push({ kind: 'metadata', family, metadata: said.metadata });
    }
    return said.end;
  }

  #closeBatch(): void {
    if (this.#batch === undefined) return;
    const batch = this.#batch;
    this.#batch = undefined;
    this.#parts.push({ kind: 'samples', ...batch, bytes: Buffer.from(batch.text, 'latin1') });
  }

  #error(fault: string, metric?: string): TextFormatError {
    return new TextFormatError(this.#line, fault, metric);
  }

  #tooLong(): TextFormatError {
    return this.#error(`longer than ${this.#maxLineBytes} bytes`);
  }
}

/** Splits pieces of bytes into runs of complete lines. Only a line that was cut apart is copied. */
class WholeLines {
  #rest: Buffer = noBytes;
  /** The length of the line that has begun. */
  restLength = 0;

  /** The lines that end in this piece. */
  *add(piece: Buffer): Generator<Buffer, void, undefined> {
    let start = 0;
    if (this.restLength > 0) {
      const end = piece.indexOf(lineFeed);
      this.#keep(end === -1 ? piece : piece.subarray(0, end + 1));
      if (end === -1) return;
      yield this.takeRest();
      start = end + 1;
    }
    const end = piece.lastIndexOf(lineFeed) + 1;
    if (end > start) yield piece.subarray(start, end);
    this.#keep(piece.subarray(Math.max(start, end)));
  }

  /** The line that has begun; after the last piece one without a line feed. */
  takeRest(): Buffer {
    const line = Buffer.from(this.#rest.subarray(0, this.restLength));
    this.restLength = 0;
    return line;
  }

  #keep(bytes: Buffer): void {
    const length = this.restLength + bytes.length;
    if (length > this.#rest.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#rest.length));
      this.#rest.copy(larger, 0, 0, this.restLength);
      this.#rest = larger;
    }
    bytes.copy(this.#rest, this.restLength);
    this.restLength = length;
  }
}
