import type { ExpositionPart } from '../text-format/exposition-part.js';
import { addRun, KnownFamilies } from '../text-format/known-families.js';
import { ChunkWriter } from '../body.js';
import type { AddedLabels } from './added-labels.js';
import type { MetricType } from '../text-format/metadata-line.js';

/** The samples of a metric. */
interface HeldSamples {
  /** What they are called. */
  readonly sampleNames: Set<string>;
  series: number;
  /** Where they stand in what is held: of each run of lines the start and the end. */
  readonly runs: number[];
  /** Whether labels got other names. */
  hasRenamedLabels: boolean;
}

/** One metric of a member's exposition. */
export interface HeldFamily extends Readonly<HeldSamples> {
  readonly name: string;
  readonly type: MetricType;
  /** As escaped. */
  readonly help: string | undefined;
}

/** An exposition with more than may be held of it. */
export class HoldingLimitError extends Error {
  override readonly name = 'HoldingLimitError';
}

/** What is held beside the bytes has an end, too. */
export const maxFamilies = 200_000;
const maxSeries = 2_000_000;

/** A member's exposition with its labels added: its samples as bytes, and where those of each metric stand. */
export class HeldExposition {
  readonly bytes = new ChunkWriter();
  readonly #families = new KnownFamilies<HeldSamples>(() => ({
    sampleNames: new Set(),
    series: 0,
    runs: [],
    hasRenamedLabels: false,
  }));
  readonly #maxBytes: number;
  readonly #labels: AddedLabels | undefined;
  #series = 0;
  #hasRenamedLabels = false;

  /** @param maxBytes of what is held. */
  constructor(maxBytes: number, labels: AddedLabels | undefined) {
    this.#maxBytes = maxBytes;
    this.#labels = labels;
  }

  /** In the order in which they were first named. */
  *families(): Generator<HeldFamily, void, undefined> {
    for (const { name, type, help, state } of this.#families.all) yield { name, type, help, ...state };
  }

  has(family: string): boolean {
    return this.#families.has(family);
  }

  /** Whether its metrics came in the order of their names, each whole. */
  get isSorted(): boolean {
    return this.#families.areSorted;
  }

  /** Whether a label got another name, so that two of its series may have become the same. */
  get hasRenamedLabels(): boolean {
    return this.#hasRenamedLabels;
  }

  /** @throws HoldingLimitError */
  write(part: ExpositionPart): void {
    switch (part.kind) {
      case 'metadata':
        this.#families.add(part, addSamples);
        break;
      case 'samples': {
        const { sampleName, lineEnds } = part;
        const { state } = this.#families.of(sampleName);
        state.sampleNames.add(sampleName);
        state.series += lineEnds.length;
        this.#series += lineEnds.length;
        const start = this.bytes.end;
        if (this.#labels === undefined) {
          const { bytes } = part;
          this.bytes.reserve(bytes.length);
          this.bytes.append(bytes, 0, bytes.length);
        } else if (this.#labels.write(part, this.bytes))
          state.hasRenamedLabels = this.#hasRenamedLabels = true;
        addRun(state.runs, start, this.bytes.end);
        break;
      }
      case 'blank':
      case 'end':
    }
    this.#checkBounds();
  }

  #checkBounds(): void {
    if (this.bytes.end > this.#maxBytes) {
      throw new HoldingLimitError(`more than ${this.#maxBytes} bytes`);
    }
    if (this.#families.size > maxFamilies) throw new HoldingLimitError(`more than ${maxFamilies} metrics`);
    if (this.#series > maxSeries) throw new HoldingLimitError(`more than ${maxSeries} series`);
  }
}

/** Samples that were found to be another metric's. */
function addSamples(strayed: HeldSamples, to: HeldSamples): void {
  for (const name of strayed.sampleNames) to.sampleNames.add(name);
  for (const place of strayed.runs) to.runs.push(place);
  to.series += strayed.series;
  to.hasRenamedLabels ||= strayed.hasRenamedLabels;
}
