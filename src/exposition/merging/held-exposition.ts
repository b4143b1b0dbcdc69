import type { ExpositionPart, MetricFamily } from '../text-format/exposition-part.js';
import type { AddedLabels } from './added-labels.js';
import { HeldBytes } from './held-bytes.js';

/** The lines of one metric in one place of a member's exposition. */
export interface HeldFamily {
  readonly name: string;
  readonly type: MetricFamily['type'];
  /** As escaped. */
  readonly help: string | undefined;
  /** What its samples are called, each once. */
  readonly sampleNames: readonly string[];
  readonly series: number;
  /** Where its samples stand in what is held. */
  readonly start: number;
  readonly end: number;
  /** Whether labels got other names. */
  readonly hasRenamedLabels: boolean;
}

/** An exposition with more than may be held of it. */
export class HoldingLimitError extends Error {
  override readonly name = 'HoldingLimitError';
}

/** What is held beside the bytes has an end, too. */
const maxFamilies = 200_000;
const maxSeries = 2_000_000;

/** What a member's exposition says, part by part, with its labels added: its samples as bytes, and where each metric stands. */
export class HeldExposition {
  readonly bytes = new HeldBytes();
  readonly families: readonly HeldFamily[];
  readonly #families: HeldFamily[] = [];
  readonly #maxBytes: number;
  readonly #labels: AddedLabels | undefined;
  #family: MetricFamily | undefined;
  #start = 0;
  #sampleNames = new Set<string>();
  #hasRenamedLabels = false;
  #familySeries = 0;
  #readBytes = 0;
  #series = 0;

  /** `maxBytes` both of what is read and of what is held. */
  constructor(maxBytes: number, labels: AddedLabels | undefined) {
    this.families = this.#families;
    this.#maxBytes = maxBytes;
    this.#labels = labels;
  }

  /** @throws HoldingLimitError */
  write(part: ExpositionPart): void {
    this.#readBytes += part.bytes.length;
    switch (part.kind) {
      case 'family':
        this.#closeFamily();
        this.#family = part;
        break;
      case 'samples':
        this.#sampleNames.add(part.sampleName);
        this.#familySeries += part.lineEnds.length;
        this.#series += part.lineEnds.length;
        if (this.#labels === undefined) this.bytes.append(part.bytes);
        else if (this.#labels.write(part, this.bytes)) this.#hasRenamedLabels = true;
        break;
      case 'comment':
      case 'end':
    }
    this.#checkBounds();
  }

  /** Behind the last part. */
  close(): void {
    this.#closeFamily();
  }

  #closeFamily(): void {
    if (this.#family === undefined) return;
    const { name, type, help } = this.#family;
    this.#families.push({
      name,
      type,
      help,
      sampleNames: [...this.#sampleNames],
      series: this.#familySeries,
      start: this.#start,
      end: this.bytes.end,
      hasRenamedLabels: this.#hasRenamedLabels,
    });
    this.#family = undefined;
    this.#start = this.bytes.end;
    this.#sampleNames.clear();
    this.#familySeries = 0;
    this.#hasRenamedLabels = false;
  }

  #checkBounds(): void {
    if (this.#readBytes > this.#maxBytes || this.bytes.end > this.#maxBytes) {
      throw new HoldingLimitError(`more than ${this.#maxBytes} bytes`);
    }
    if (this.#families.length > maxFamilies) throw new HoldingLimitError(`more than ${maxFamilies} metrics`);
    if (this.#series > maxSeries) throw new HoldingLimitError(`more than ${maxSeries} series`);
  }
}
