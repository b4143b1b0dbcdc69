import { isUtf8 } from 'node:buffer';
import { lineFeed, numberSign, skipBlanks } from './characters.js';
import type { ExpositionFormat } from './exposition-format.js';
import type { ExpositionPart, MetricFamily } from './exposition-part.js';
import { FamilyHeader } from './family-header.js';
import { LineFault } from './line-fault.js';
import { readMetadataLine, type FamilyMetadata } from './metadata-line.js';
import { readMetricName } from './metric-name.js';
import { isSampleNameOf } from './metric-type.js';
import { OpenBatch, type Lines } from './open-batch.js';
import { plainSamplesAt } from './plain-samples.js';
import { readSample } from './sample-line.js';
import { TextFormatError } from './text-format-error.js';
import { WholeLines } from './whole-lines.js';

export interface TextFormatReaderOptions {
  readonly format: ExpositionFormat;
  /** The longest line, and the longest header of a family (bytes). Default 128 KiB: a line is read in one go. */
  readonly maxLineBytes?: number;
}

const defaultMaxLineBytes = 128 * 1024;

/**
 * Reads an exposition in pieces, cut anywhere, and says of each what it holds. Every line is checked, nothing is
 * changed, and no more is held than the line and the family's header that have begun.
 */
export class TextFormatReader {
  readonly #format: ExpositionFormat;
  readonly #maxLineBytes: number;
  readonly #lines: WholeLines;
  #parts: ExpositionPart[] = [];
  /** Of the line that is being read, counted from 1. */
  #line = 1;
  #header: FamilyHeader | undefined;
  #family: Pick<MetricFamily, 'name' | 'type'> | undefined;
  #batch: OpenBatch | undefined;
  /** What samples of the family have been called. */
  readonly #sampleNames: string[] = [];
  #isAtEnd = false;

  constructor({ format, maxLineBytes = defaultMaxLineBytes }: TextFormatReaderOptions) {
    this.#format = format;
    this.#maxLineBytes = maxLineBytes;
    this.#lines = new WholeLines(maxLineBytes);
  }

  /** The parts that are known with this piece; they share its memory. @throws TextFormatError */
  read(piece: Uint8Array): readonly ExpositionPart[] {
    for (const lines of this.#lines.add(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))) {
      this.#readLines(lines);
    }
    if (this.#lines.isTooLong) throw this.#tooLong();
    return this.#takeParts();
  }

  /** What is left behind the last piece. @throws TextFormatError where the exposition is not whole. */
  end(): readonly ExpositionPart[] {
    const rest = this.#lines.takeRest();
    if (rest.length > 0) {
      // The one line that may end without a line feed.
      const isEnd = this.#format === 'openmetrics' && !this.#isAtEnd && rest.equals(Buffer.from('# EOF'));
      if (!isEnd) throw new TextFormatError(this.#line, 'cut off in the middle of a line');
      this.#readOther(rest, '# EOF');
    }
    if (this.#format === 'openmetrics' && !this.#isAtEnd) {
      throw new TextFormatError(this.#line, 'cut off: "# EOF" is missing');
    }
    this.#closeHeader();
    return this.#takeParts();
  }

  #takeParts(): readonly ExpositionPart[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  #readLines(bytes: Buffer): void {
    if (!isUtf8(bytes)) throw this.#notUtf8(bytes);
    const lines = { bytes, text: bytes.toString('latin1') };
    for (let at = 0; at < bytes.length;) {
      if (this.#isAtEnd) throw new TextFormatError(this.#line, 'more lines behind "# EOF"');
      at = this.#readPlainSamples(lines, at) ?? this.#readLine(lines, at);
    }
    this.#closeBatch();
  }

  /** Where the next line begins; undefined where the samples are not plain, or there are none. */
  #readPlainSamples(lines: Lines, start: number): number | undefined {
    const plain = plainSamplesAt(lines.text, start, this.#maxLineBytes);
    if (plain === undefined) return undefined;
    const { lineEnds } = plain;
    const name = this.#beginSample(plain.name);
    this.#closeBatch();
    const batch = new OpenBatch(name, lines, start, this.#line);
    let at = start;
    for (const lineEnd of lineEnds) {
      batch.add(at + name.length, lineEnd);
      at = lineEnd;
    }
    this.#parts.push(batch.toSamples());
    this.#line += lineEnds.length;
    return at;
  }

  /** Where the next line begins. */
  #readLine(lines: Lines, at: number): number {
    const { bytes } = lines;
    const start = this.#format === 'text' ? skipBlanks(bytes, at) : at;
    const isSample = bytes[start] !== numberSign && bytes[start] !== lineFeed;
    const next = isSample ? this.#readSample(lines, at, start) : bytes.indexOf(lineFeed, start) + 1;
    if (next - at > this.#maxLineBytes) throw this.#tooLong();
    if (!isSample) this.#readOther(bytes.subarray(at, next), bytes.toString('utf8', start, next - 1));
    this.#line += 1;
    return next;
  }

  /** Where the next line begins. */
  #readSample(lines: Lines, at: number, start: number): number {
    let name: string | undefined;
    try {
      name = this.#beginSample(readMetricName(lines.bytes, start));
      const nameEnd = start + name.length;
      const next = readSample(lines.bytes, nameEnd, this.#format);
      if (this.#batch?.sampleName !== name) {
        this.#closeBatch();
        this.#batch = new OpenBatch(name, lines, at, this.#line);
      }
      this.#batch.add(nameEnd, next);
      return next;
    } catch (error) {
      throw this.#located(error, name);
    }
  }

  /** Begins a family where the name does not belong to the one before. Returns the name, to be kept. */
  #beginSample(found: string): string {
    this.#closeHeader();
    const known = this.#sampleNames.find((name) => name === found);
    if (known !== undefined) return known;
    // A copy: a part of a text keeps all of it in memory, and names are kept for long.
    const name = Buffer.from(found, 'latin1').toString('latin1');
    if (this.#family === undefined || !isSampleNameOf(name, this.#family.name, this.#family.type)) {
      this.#beginFamily({
        kind: 'family',
        name,
        type: 'unknown',
        line: this.#line,
        bytes: Buffer.alloc(0),
        header: Buffer.alloc(0),
      });
    }
    this.#sampleNames.push(name);
    return name;
  }

  /** A line of metadata, a comment or a blank line, without its blanks and its line feed. */
  #readOther(bytes: Buffer, text: string): void {
    this.#closeBatch();
    const isBlank = text === '';
    try {
      const said = isBlank ? ({ kind: 'comment' } as const) : readMetadataLine(text, this.#format);
      switch (said.kind) {
        case 'comment':
          if (this.#header === undefined) this.#parts.push({ kind: 'comment', isBlank, bytes });
          else this.#header.addComment(Buffer.from(bytes));
          return;
        case 'end':
          this.#closeHeader();
          this.#isAtEnd = true;
          this.#parts.push({ kind: 'end', bytes });
          return;
        case 'help':
        case 'type':
        case 'unit':
          this.#addMetadata(said, Buffer.from(bytes));
      }
    } catch (error) {
      throw this.#located(error, this.#header?.family);
    }
  }

  #addMetadata(metadata: FamilyMetadata, bytes: Buffer): void {
    if (this.#header?.family !== metadata.family) {
      this.#closeHeader();
      this.#header = new FamilyHeader(metadata.family, this.#line, this.#maxLineBytes);
    }
    this.#header.add(metadata, bytes);
  }

  #closeHeader(): void {
    if (this.#header === undefined) return;
    const family = this.#header.toFamily();
    this.#header = undefined;
    this.#beginFamily(family);
  }

  #beginFamily(family: MetricFamily): void {
    this.#closeBatch();
    this.#family = family;
    this.#sampleNames.length = 0;
    this.#parts.push(family);
  }

  #closeBatch(): void {
    if (this.#batch !== undefined) this.#parts.push(this.#batch.toSamples());
    this.#batch = undefined;
  }

  #located(error: unknown, metric: string | undefined): unknown {
    return error instanceof LineFault ? new TextFormatError(this.#line, error.message, metric) : error;
  }

  #tooLong(): TextFormatError {
    return new TextFormatError(this.#line, `longer than ${this.#maxLineBytes} bytes`);
  }

  #notUtf8(lines: Buffer): TextFormatError {
    let line = this.#line;
    for (let at = 0; at < lines.length; line += 1) {
      const next = lines.indexOf(lineFeed, at) + 1;
      if (!isUtf8(lines.subarray(at, next))) break;
      at = next;
    }
    return new TextFormatError(line, 'is not UTF-8');
  }
}
