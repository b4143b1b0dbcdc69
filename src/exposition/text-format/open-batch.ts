import type { SampleBatch } from './exposition-part.js';

/** Sample lines of one name, as they come. */
export class OpenBatch {
  readonly #nameEnds: number[] = [];
  readonly #lineEnds: number[] = [];
  #end: number;

  constructor(
    readonly sampleName: string,
    private readonly lines: Buffer,
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
    const { sampleName, line } = this;
    return {
      kind: 'samples',
      sampleName,
      line,
      bytes: this.lines.subarray(this.start, this.#end),
      nameEnds: this.#nameEnds,
      lineEnds: this.#lineEnds,
    };
  }
}
