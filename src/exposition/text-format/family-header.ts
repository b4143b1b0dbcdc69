import type { MetricFamily } from './exposition-part.js';
import { LineFault } from './line-fault.js';
import type { FamilyMetadata } from './metadata-line.js';

/** HELP, TYPE and UNIT of one family, as they come. */
export class FamilyHeader {
  readonly #lines: Buffer[] = [];
  readonly #metadataLines: Buffer[] = [];
  readonly #metadata: { help?: string; unit?: string; type?: MetricFamily['type'] } = {};
  #length = 0;

  constructor(
    readonly family: string,
    readonly line: number,
    readonly maxBytes: number,
  ) {}

  /** @throws LineFault for the second of a kind. */
  add(metadata: FamilyMetadata, bytes: Buffer): void {
    if (this.#metadata[metadata.kind] !== undefined) {
      throw new LineFault(`a second ${metadata.kind.toUpperCase()}`);
    }
    if (metadata.kind === 'type') this.#metadata.type = metadata.type;
    else this.#metadata[metadata.kind] = metadata.text;
    this.#metadataLines.push(bytes);
    this.addComment(bytes);
  }

  /** Of a comment that stands between the others. @throws LineFault */
  addComment(bytes: Buffer): void {
    this.#length += bytes.length;
    if (this.#length > this.maxBytes) {
      throw new LineFault(`more than ${this.maxBytes} bytes before the first sample`);
    }
    this.#lines.push(bytes);
  }

  toFamily(): MetricFamily {
    const { line, family: name } = this;
    return {
      kind: 'family',
      name,
      type: 'unknown',
      ...this.#metadata,
      line,
      bytes: Buffer.concat(this.#lines),
      header: Buffer.concat(this.#metadataLines),
    };
  }
}
