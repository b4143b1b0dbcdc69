import type { ExpositionPart, SampleBatch } from '../text-format/exposition-part.js';
import { addRun, KnownFamilies, type KnownFamily } from '../text-format/known-families.js';
import { ChunkWriter } from '../body.js';
import type { AddedLabels } from './added-labels.js';

/** The samples of a metric. */
interface HeldSamples {
  readonly sampleNames: Set<string>;
  series: number;
  /** Where they stand in what is held: of each run of lines the start and the end. */
  readonly runs: number[];
  /** Whether labels got other names. */
  hasRenamedLabels: boolean;
}

/** One metric of a member's exposition. */
export type HeldFamily = KnownFamily<HeldSamples>;

/** An exposition with more than may be held of it. */
export class HoldingLimitError extends Error {
  override readonly name = 'HoldingLimitError';
}

const maxSeries = 2_000_000;

/** A member's exposition with its labels added: its samples as bytes, and where those of each metric stand. */
export class HeldExposition {
  readonly bytes = new ChunkWriter();
  /** In the order in which they were first named. */
  readonly families = new KnownFamilies<HeldSamples>(() => ({
    sampleNames: new Set(),
    series: 0,
    runs: [],
    hasRenamedLabels: false,
  }));
  /** Whether a label got another name, so that two of its series may have become the same. */
  hasRenamedLabels = false;
  #series = 0;
  #runs = 0;

  /** @param maxBytes of what is held, with the memory that its metrics take. */
  constructor(
    private readonly maxBytes: number,
    private readonly labels?: AddedLabels,
  ) {}

  /** Reads all of it. @throws HoldingLimitError */
  async read(all: AsyncIterable<readonly ExpositionPart[]>): Promise<this> {
    for await (const parts of all) for (const part of parts) this.#write(part);
    return this;
  }

  #write(part: ExpositionPart): void {
    if (part.kind === 'metadata') this.families.add(part, addSamples);
    else if (part.kind === 'samples') this.#writeSamples(part);
    if (this.bytes.end > this.maxBytes) throw new HoldingLimitError(`more than ${this.maxBytes} bytes`);
    const fault = metricsFault(this.families, this.maxBytes - this.bytes.end, this.#runs);
    if (fault !== undefined) throw fault;
    if (this.#series > maxSeries) throw new HoldingLimitError(`more than ${maxSeries} series`);
  }

  #writeSamples(batch: SampleBatch): void {
    const { sampleName, lineEnds } = batch;
    const { state } = this.families.of(sampleName);
    state.sampleNames.add(sampleName);
    state.series += lineEnds.length;
    this.#series += lineEnds.length;
    const start = this.bytes.end;
    if (this.labels === undefined) {
      const { bytes } = batch;
      this.bytes.reserve(bytes.length);
      this.bytes.append(bytes, 0, bytes.length);
    } else if (this.labels.write(batch, this.bytes)) state.hasRenamedLabels = this.hasRenamedLabels = true;
    if (addRun(state.runs, start, this.bytes.end)) this.#runs += 1;
  }
}

/** What is wrong where metrics take more memory than this, with so many runs of lines. */
export function metricsFault(
  families: KnownFamilies<unknown>,
  maxBytes: number,
  runs = 0,
): HoldingLimitError | undefined {
  if (families.bytes(runs) <= maxBytes) return undefined;
  return new HoldingLimitError(`its ${families.size} metrics take more memory than may be held`);
}

/** Samples that were found to be another metric's. */
function addSamples(strayed: HeldSamples, to: HeldSamples): void {
  for (const name of strayed.sampleNames) to.sampleNames.add(name);
  for (const place of strayed.runs) to.runs.push(place);
  to.series += strayed.series;
  to.hasRenamedLabels ||= strayed.hasRenamedLabels;
}
