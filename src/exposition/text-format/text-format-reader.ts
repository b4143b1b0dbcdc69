import { isUtf8 } from 'node:buffer';
import { TimeSlice } from '../../time-slice.js';
import { TextFormatError } from '../exposition-errors.js';
import type { ExpositionFormat } from './exposition-format.js';
import type { ExpositionPart } from './exposition-part.js';
import { lineFeed } from './labels.js';
import { readMetadataLine } from './metadata-line.js';
import { decodedName } from './metric-name.js';
import { Lines, PlainSampleReader } from './plain-samples.js';
import { LineFault } from './quoted-text.js';
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
      // Between two lines, if there are: a piece that begins within a line is copied.
      const lineStart = end < chunk.byteLength ? chunk.lastIndexOf(lineFeed, end - 1) + 1 : 0;
      if (lineStart > at) end = lineStart;
      const parts = reader.read(chunk.subarray(at, end));
      if (parts.length > 0) yield parts;
      if (slice.isOver) await slice.rest();
    }
  }
  yield reader.end();
}

const noBytes = Buffer.alloc(0);
const indent = /[ \t]*/y;

/**
 * Reads an exposition in pieces, cut anywhere, and returns their parts: accepts exactly what Prometheus accepts. Only
 * what is incomplete is held.
 */
class TextFormatReader {
  readonly #format: ExpositionFormat;
  readonly #maxLineBytes: number;
  readonly #plain: PlainSampleReader;
  #parts: ExpositionPart[] = [];
  /** The number of the line that is being read, counted from 1. */
  #line = 1;
  /** A line that has begun, with those before that a quoted text began in. */
  #rest: Buffer = noBytes;
  #restLength = 0;
  /**
   * How much of the rest is not worth reading yet: a quoted text is open in it, and to look for its end with each line
   * that comes would take quadratic time.
   */
  #unreadyLength = 0;
  #isAtEnd = false;

  constructor({ format, maxLineBytes = 128 * 1024 }: TextFormatReaderOptions) {
    this.#format = format;
    this.#maxLineBytes = maxLineBytes;
    this.#plain = new PlainSampleReader(format, maxLineBytes);
  }

  /** The parts that are known with this piece; they share its memory. @throws TextFormatError */
  read(piece: Uint8Array): readonly ExpositionPart[] {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    const end = this.#restLength + bytes.length < this.#unreadyLength ? 0 : bytes.lastIndexOf(lineFeed) + 1;
    if (end > 0) this.#readLines(this.#withRest(bytes.subarray(0, end)), false);
    this.#keep(bytes.subarray(end));
    return this.#takeParts();
  }

  /** The rest after the last piece. @throws TextFormatError if the exposition is incomplete. */
  end(): readonly ExpositionPart[] {
    const rest = this.#withRest(noBytes);
    // The last line may end without a line feed.
    const lines = rest.at(-1) === lineFeed ? rest : Buffer.concat([rest, Buffer.of(lineFeed)]);
    if (rest.length > 0) this.#readLines(lines, true);
    if (this.#format === 'openmetrics' && !this.#isAtEnd) throw this.#error('cut off: "# EOF" is missing');
    return this.#takeParts();
  }

  #takeParts(): readonly ExpositionPart[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  #withRest(bytes: Buffer): Buffer {
    if (this.#restLength === 0) return bytes;
    const rest = this.#rest.subarray(0, this.#restLength);
    this.#restLength = this.#unreadyLength = 0;
    return Buffer.concat([rest, bytes]);
  }

  #keep(bytes: Buffer): void {
    const length = this.#restLength + bytes.length;
    if (length > this.#maxLineBytes) throw this.#tooLong();
    if (length > this.#rest.length) this.#rest = Buffer.concat([this.#rest], 2 * length);
    bytes.copy(this.#rest, this.#restLength);
    this.#restLength = length;
  }

  #readLines(bytes: Buffer, isLast: boolean): void {
    const isText = isUtf8(bytes);
    const lines = new Lines(bytes);
    for (let at = 0; at < bytes.length;) {
      if (this.#isAtEnd) throw this.#error('more lines behind "# EOF"');
      try {
        at = (isText ? this.#readPlainSamples(lines, at) : undefined) ?? this.#readLine(lines, at, isText);
      } catch (error) {
        if (!(error instanceof LineFault)) throw error;
        if (isLast || !error.isOpen) throw this.#error(error.message, error.metric);
        this.#keep(bytes.subarray(at));
        this.#unreadyLength = Math.min(2 * this.#restLength, this.#maxLineBytes);
        return;
      }
    }
  }

  /** Returns where the next line begins; undefined where there are no plain samples. */
  #readPlainSamples(lines: Lines, start: number): number | undefined {
    const batch = this.#plain.find(lines, start, this.#line);
    if (batch === undefined) return undefined;
    this.#parts.push(batch);
    this.#line += batch.lineEnds.length;
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

  #readSample({ bytes, text: lines }: Lines, at: number, isText: boolean): number {
    const { latin1Name, line: text, nameEnd: nameLength, end } = readSample(lines, at, this.#format);
    if (!isText && !isUtf8(bytes.subarray(at, end))) throw new LineFault('is not UTF-8');
    this.#parts.push({
      kind: 'samples',
      sampleName: decodedName(latin1Name),
      line: this.#line,
      bytes: Buffer.from(text, 'latin1'),
      text,
      nameLength,
      lineEnds: [text.length],
    });
    return end;
  }

  /** Reads a line of metadata or a comment. */
  #readOther(text: string, at: number): number {
    const { part, end } = readMetadataLine(text, at, this.#format);
    if (part !== undefined) this.#parts.push(part);
    this.#isAtEnd = part?.kind === 'end';
    return end;
  }

  #error(fault: string, metric?: string): TextFormatError {
    return new TextFormatError(this.#line, fault, metric);
  }

  #tooLong(): TextFormatError {
    return this.#error(`longer than ${this.#maxLineBytes} bytes`);
  }
}
