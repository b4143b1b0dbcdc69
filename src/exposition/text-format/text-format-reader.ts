import { isUtf8 } from 'node:buffer';
import { lineFeed, numberSign, skipBlanks } from './characters.js';
import type { ExpositionFormat } from './exposition-format.js';
import type { ExpositionPart, MetricFamily } from './exposition-part.js';
import { FamilyHeader } from './family-header.js';
import { LineFault } from './line-fault.js';
import { readMetadataLine, type FamilyMetadata } from './metadata-line.js';
import { KnownName, readMetricName } from './metric-name.js';
import { isSampleNameOf } from './metric-type.js';
import { OpenBatch } from './open-batch.js';
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
  /** What samples of the family have been called, the last one first. */
  #names: readonly KnownName[] = [];
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

  #readLines(lines: Buffer): void {
    if (!isUtf8(lines)) throw this.#notUtf8(lines);
    for (let at = 0; at < lines.length; this.#line += 1) {
      if (this.#isAtEnd) throw new TextFormatError(this.#line, 'more lines behind "# EOF"');
      const start = this.#format === 'text' ? skipBlanks(lines, at) : at;
      const first = lines[start];
      let next: number;
      if (first === numberSign || first === lineFeed) {
        next = lines.indexOf(lineFeed, start) + 1;
        if (next - at > this.#maxLineBytes) throw this.#tooLong();
        this.#readOther(lines.subarray(at, next), lines.toString('utf8', start, next - 1));
      } else {
        next = this.#readSample(lines, at, start);
        if (next - at > this.#maxLineBytes) throw this.#tooLong();
      }
      at = next;
    }
    this.#closeBatch();
  }

  /** Where the next line begins. */
  #readSample(lines: Buffer, at: number, start: number): number {
    let name: string | undefined;
    try {
      name = this.#sampleNameAt(lines, start);
      const nameEnd = start + name.length;
      const next = readSample(lines, nameEnd, this.#format);
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

  /** The name of the sample; it begins a family where it does not belong to the one before. */
  #sampleNameAt(lines: Buffer, start: number): string {
    this.#closeHeader();
    if (this.#names[0]?.standsAt(lines, start) === true) return this.#names[0].text;
    let known = this.#names.find((name) => name.standsAt(lines, start));
    if (known === undefined) {
      known = new KnownName(readMetricName(lines, start));
      if (this.#family === undefined || !isSampleNameOf(known.text, this.#family.name, this.#family.type)) {
        this.#beginFamily({
          kind: 'family',
          name: known.text,
          type: 'unknown',
          line: this.#line,
          bytes: Buffer.alloc(0),
          header: Buffer.alloc(0),
        });
      }
    }
    this.#names = [known, ...this.#names.filter((name) => name !== known)];
    return known.text;
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
    this.#names = [];
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
