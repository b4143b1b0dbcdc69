import type { SampleBatch } from './exposition-part.js';

/** Whole lines, as bytes and as Latin-1. */
export interface Lines {
  readonly bytes: Buffer;
  readonly text: string;
}

/** Sample lines of one name, as they come. */
export class OpenBatch {
  readonly #nameEnds: number[] = [];
  readonly #lineEnds: number[] = [];
  #end: number;

  constructor(
    readonly sampleName: string,
    private readonly lines: Lines,
    private readonly start: number,
    private readonly line: number,
  ) {
    this.#end = start;
  }

  add(nameEnd: number, lineEnd: number): void {
    this.#nameEnds.push(nameEnd - this.start);
    this.#lineEnds.push(lineEnd - this.start);
    this.#end = lineEnd;
  }

  toSamples(): SampleBatch {
    const { sampleName, lines, start, line } = this;
    return {
      kind: 'samples',
      sampleName,
      line,
      bytes: lines.bytes.subarray(start, this.#end),
      text: lines.text.slice(start, this.#end),
      nameEnds: this.#nameEnds,
      lineEnds: this.#lineEnds,
    };
  }
}
