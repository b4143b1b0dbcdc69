import { isUtf8 } from 'node:buffer';
import { lineFeed } from './characters.js';
import type { ExpositionFormat } from './exposition-format.js';
import type { ExpositionPart, SampleBatch } from './exposition-part.js';
import { LineFault, OpenQuoteFault } from './line-fault.js';
import { readMetadataLine } from './metadata-line.js';
import { MetricNames } from './metric-name.js';
import { plainSamplesAt } from './plain-samples.js';
import { readSample, type SampleLine } from './sample-line.js';
import { WholeLines } from './whole-lines.js';
import { TextFormatError } from '../exposition-errors.js';

export interface TextFormatReaderOptions {
  readonly format: ExpositionFormat;
  /** The longest line (bytes). Default 128 KiB: a line is read in one go. */
  readonly maxLineBytes?: number;
}

/** Whole lines, as bytes and as Latin-1. */
interface Lines {
  readonly bytes: Buffer;
  readonly text: string;
}

/** Sample lines of one name that had to be written anew, as they come. */
interface WrittenBatch {
  readonly sampleName: string;
  readonly line: number;
  text: string;
  readonly nameEnds: number[];
  readonly lineEnds: number[];
}

const defaultMaxLineBytes = 128 * 1024;
const noBytes = Buffer.alloc(0);
const indent = /[ \t]*/y;

/**
 * Reads an exposition in pieces, cut anywhere, and says of each what it holds: everything that Prometheus takes, and
 * nothing that it refuses. No more is held than the line that has begun.
 */
export class TextFormatReader {
  readonly #format: ExpositionFormat;
  readonly #maxLineBytes: number;
  readonly #lines: WholeLines;
  #parts: ExpositionPart[] = [];
  /** Of the line that is being read, counted from 1. */
  #line = 1;
  /** Lines with a quoted text that has not ended. */
  #open: Buffer = noBytes;
  #batch: WrittenBatch | undefined;
  readonly #names = new MetricNames();
  #isAtEnd = false;

  constructor({ format, maxLineBytes = defaultMaxLineBytes }: TextFormatReaderOptions) {
    this.#format = format;
    this.#maxLineBytes = maxLineBytes;
    this.#lines = new WholeLines(maxLineBytes);
  }

  /** The parts that are known with this piece; they share its memory. @throws TextFormatError */
  read(piece: Uint8Array): readonly ExpositionPart[] {
    for (const lines of this.#lines.add(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))) {
      this.#readLines(lines, false);
    }
    if (this.#lines.isTooLong) throw this.#tooLong();
    return this.#takeParts();
  }

  /** What is left behind the last piece. @throws TextFormatError where the exposition is not whole. */
  end(): readonly ExpositionPart[] {
    const rest = this.#lines.takeRest();
    // The last line may end without a line feed.
    if (rest.length > 0) this.#readLines(Buffer.concat([rest, Buffer.of(lineFeed)]), true);
    else if (this.#open.length > 0) this.#readLines(noBytes, true);
    if (this.#format === 'openmetrics' && !this.#isAtEnd) {
      throw new TextFormatError(this.#line, 'cut off: "# EOF" is missing');
    }
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
    const lines = { bytes, text: bytes.toString('latin1') };
    for (let at = 0; at < bytes.length;) {
      if (this.#isAtEnd) throw new TextFormatError(this.#line, 'more lines behind "# EOF"');
      try {
        at = (isText ? this.#readPlainSamples(lines, at) : undefined) ?? this.#readLine(lines, at, isText);
      } catch (error) {
        if (!(error instanceof LineFault)) throw error;
        if (isLast || !(error instanceof OpenQuoteFault)) throw this.#located(error);
        this.#open = Buffer.from(bytes.subarray(at));
        if (this.#open.length > this.#maxLineBytes) throw this.#tooLong();
        break;
      }
    }
    this.#closeBatch();
  }

  /** Where the next line begins; undefined where the samples are not plain, or there are none. */
  #readPlainSamples({ bytes, text }: Lines, start: number): number | undefined {
    const plain = plainSamplesAt(text, start, this.#format, this.#maxLineBytes);
    if (plain === undefined) return undefined;
    this.#closeBatch();
    const sampleName = this.#names.of(plain.name);
    const nameEnds: number[] = [];
    const lineEnds: number[] = [];
    let at = start;
    for (const lineEnd of plain.lineEnds) {
      nameEnds.push(at - start + sampleName.length);
      lineEnds.push(lineEnd - start);
      at = lineEnd;
    }
    const batch: SampleBatch = {
      kind: 'samples',
      sampleName,
      line: this.#line,
      bytes: bytes.subarray(start, at),
      text: text.slice(start, at),
      nameEnds,
      lineEnds,
    };
    this.#parts.push(batch);
    this.#line += lineEnds.length;
    return at;
  }

  /** Where the next line begins. @throws LineFault */
  #readLine(lines: Lines, start: number, isText: boolean): number {
    const { text } = lines;
    indent.lastIndex = start;
    if (this.#format === 'text') indent.test(text);
    const at = this.#format === 'text' ? indent.lastIndex : start;
    if (this.#format === 'text' && text[at] === '\n') {
      this.#closeBatch();
      if (at === start) this.#parts.push({ kind: 'blank' });
      this.#line += 1;
      return at + 1;
    }
    const end = text[at] === '#' ? this.#readOther(lines, at) : this.#readSample(lines, at, isText);
    if (end - start > this.#maxLineBytes) throw this.#tooLong();
    for (let next = start; next < end; next = text.indexOf('\n', next) + 1) this.#line += 1;
    return end;
  }

  #readSample({ bytes, text }: Lines, at: number, isText: boolean): number {
    const sample = readSample(text, at, this.#format);
    if (!isText && !isUtf8(bytes.subarray(at, sample.end))) throw new LineFault('is not UTF-8');
    this.#addToBatch(sample);
    return sample.end;
  }

  #addToBatch({ latin1Name, line, nameEnd }: SampleLine): void {
    const sampleName = this.#names.of(latin1Name);
    if (this.#batch?.sampleName !== sampleName) {
      this.#closeBatch();
      this.#batch = { sampleName, line: this.#line, text: '', nameEnds: [], lineEnds: [] };
    }
    const batch = this.#batch;
    batch.nameEnds.push(batch.text.length + nameEnd);
    batch.text += line;
    batch.lineEnds.push(batch.text.length);
  }

  /** A line of metadata or a comment. */
  #readOther({ text }: Lines, at: number): number {
    const said = readMetadataLine(text, at, this.#format);
    switch (said.kind) {
      case 'comment':
        break;
      case 'end':
        this.#closeBatch();
        this.#isAtEnd = true;
        this.#parts.push({ kind: 'end' });
        break;
      case 'metadata':
        this.#closeBatch();
        this.#parts.push({
          kind: 'metadata',
          family: this.#names.of(said.latin1Family),
          metadata: said.metadata,
        });
    }
    return said.end;
  }

  #closeBatch(): void {
    if (this.#batch === undefined) return;
    const batch = this.#batch;
    this.#batch = undefined;
    this.#parts.push({ kind: 'samples', ...batch, bytes: Buffer.from(batch.text, 'latin1') });
  }

  #located({ message, metric }: LineFault): TextFormatError {
    return new TextFormatError(this.#line, message, metric);
  }

  #tooLong(): TextFormatError {
    return new TextFormatError(this.#line, `longer than ${this.#maxLineBytes} bytes`);
  }
}
