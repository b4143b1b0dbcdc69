import { TimeSlice } from '../../time-slice.js';
import { ChunkWriter } from '../body.js';
import { SeriesLimitError, TextFormatError } from '../exposition-errors.js';
import { mergedBody } from '../merging/merged-body.js';
import type { GroupedFamily } from '../merging/merged-families.js';
import type { ExpositionPart, SampleBatch } from '../text-format/exposition-part.js';
import { addRun, KnownFamilies, type KnownFamily } from '../text-format/known-families.js';
import type { FamilyMetadata } from '../text-format/metadata-line.js';
import { MappedLabels } from './mapped-labels.js';
import { RelabelledSeries, type SeriesFault } from './relabelled-series.js';
import { SeriesDigest, SeriesDigests } from '../series-digests.js';
import type { CurrentRules } from './series-rules.js';

/** Why a series is left out; `duplicate`: with its new labels it equals an earlier one. */
type DropReason = 'metric-name' | 'duplicate' | SeriesFault;

export interface SeriesCounts {
  readonly kept: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

/** Bounds what is remembered to find duplicates (24 to 80 bytes a series). */
const maxFamilySeries = 4_000_000;
const maxFamilies = 200_000;
/** Of names and headers, and of what has to be held to be put in order (characters, bytes). */
const maxHeld = 64 * 1024 * 1024;

interface FilteredSamples {
  isWritten: boolean;
  /** Where its samples are in the output: of each run of lines the start and the end. */
  readonly runs: number[];
}

type FilteredFamily = KnownFamily<FilteredSamples>;

/** @throws SeriesLimitError */
function checkLimit(amount: number, most: number, what: string): void {
  if (amount > most) throw new SeriesLimitError(`more than ${most} ${what}`);
}

/**
 * Filters each part of one exposition. Metrics are written as they come, each header with its first sample. If the
 * samples of a metric are scattered, or come before its header, and no output has been taken yet, everything is held until
 * the end and then put in order. Later, samples are written where they are, and a late header is left out.
 */
export class ExpositionFilter {
  readonly #output = new ChunkWriter();
  readonly #series: RelabelledSeries | undefined;
  /** Where no labels are dropped or renamed, and no duplicates can come but of series that it does not write. */
  readonly #mapped: MappedLabels | undefined;
  readonly #identity: SeriesDigest | undefined;
  readonly #origin = new SeriesDigest();
  readonly #digests = new SeriesDigests();
  readonly #families = new KnownFamilies<FilteredSamples>(() => ({ isWritten: false, runs: [] }));
  #family: FilteredFamily | undefined;
  /** Whether samples are kept, by the names of this family's samples. */
  #decisions = new Map<string, boolean>();
  /** Where the run of lines begins that is being written. */
  #runStart = 0;
  #runs = 0;
  #state: 'nothing taken' | 'streaming' | 'holding' = 'nothing taken';
  /** The line that ends the exposition, if its format has one. */
  #end = '';
  #kept = 0;
  readonly #dropped = { 'metric-name': 0, duplicate: 0, 'no-mapping': 0, 'label-conflict': 0 };

  constructor(private readonly rules: CurrentRules) {
    const { labels, mayJoinSeries, podNames } = rules;
    if (labels.length > 0) this.#series = new RelabelledSeries(labels, podNames);
    if (mayJoinSeries || podNames !== undefined) this.#identity = new SeriesDigest();
    // It takes the values of tables and the names of pods in no common order.
    const isMixed = podNames !== undefined && labels.some(({ values }) => values !== undefined);
    if (labels.length > 0 && !mayJoinSeries && !isMixed) this.#mapped = new MappedLabels(labels, podNames);
  }

  get counts(): SeriesCounts {
    return { kept: this.#kept, dropped: { ...this.#dropped } };
  }

  /** @throws TextFormatError, SeriesLimitError */
  write(part: ExpositionPart): void {
    if (part.kind === 'metadata') this.#readMetadata(part);
    else if (part.kind === 'samples') this.#writeSamples(part);
    else if (part.kind === 'end') this.#end = '# EOF\n';
    else if (this.#family?.state.isWritten === true) this.#output.writeText('\n');
  }

  /** Takes what is ready, in chunks of 64 KiB. */
  takeFull(): readonly Buffer[] {
    if (this.#state === 'holding') return [];
    const full = this.#output.takeFull();
    if (full.length > 0) this.#state = 'streaming';
    return full;
  }

  /** After the last part: what was not taken, the last chunk as the return value. */
  rest(): AsyncGenerator<Buffer, Buffer, undefined> {
    const slice = new TimeSlice().begin();
    return this.#state === 'holding'
      ? mergedBody(this.#inOrder(), slice, () => undefined, this.#end)
      : this.#emptyFamilies(slice);
  }

  /** In slices, since there may be very many. */
  async *#emptyFamilies(slice: TimeSlice): AsyncGenerator<Buffer, Buffer, undefined> {
    for (const family of this.#families.all) {
      if (this.#isEmpty(family)) this.#writeHeader(family);
      // No `yield*`: it awaits a turn even where there is nothing to yield.
      for (const chunk of this.#output.takeFull()) yield chunk;
      if (slice.isOver) await slice.rest();
    }
    this.#output.writeText(this.#end);
    return yield* this.#output.rest();
  }

  *#inOrder(): Generator<GroupedFamily, void, undefined> {
    for (const family of this.#families.all) {
      const { name, header, state } = family;
      const piece = { member: { name: '' }, bytes: this.#output, runs: state.runs, hasRenamedLabels: false };
      const isKept = state.isWritten || this.#isEmpty(family);
      // One that is left out is a step, too: there may be very many.
      yield { name, header: isKept ? header : '', pieces: isKept ? [piece] : [], mayHaveDuplicates: false };
    }
  }

  /** Whether it has a header and no samples: then the header alone is kept. */
  #isEmpty({ name, hasBegun }: FilteredFamily): boolean {
    return !hasBegun && (this.rules.metricNames?.(name, name) ?? true);
  }

  #readMetadata(part: FamilyMetadata): void {
    const family = this.#families.add(part, (strayed, state) => {
      if (!strayed.isWritten || this.#state === 'streaming') return;
      state.isWritten = true;
      for (const position of strayed.runs) state.runs.push(position);
    });
    if (family?.state.isWritten === true) this.#hold();
    this.#checkFamilies();
  }

  #checkFamilies(): void {
    checkLimit(this.#families.size, maxFamilies, 'metrics in one scrape');
    checkLimit(this.#families.headerLength, maxHeld, 'characters of names and headers in one scrape');
  }

  #hold(): void {
    if (this.#state === 'nothing taken') this.#state = 'holding';
  }

  #writeSamples(batch: SampleBatch): void {
    const { sampleName, lineEnds } = batch;
    const family = this.#families.of(sampleName);
    if (family !== this.#family) this.#beginFamily(family, batch);
    let isKept = this.#decisions.get(sampleName);
    if (isKept === undefined) {
      isKept = this.rules.metricNames?.(family.name, sampleName) ?? true;
      this.#decisions.set(sampleName, isKept);
    }
    this.#runStart = this.#output.end;
    if (!isKept) this.#dropped['metric-name'] += lineEnds.length;
    else if (this.#series !== undefined) this.#writeSeries(batch, family, this.#series);
    else {
      this.#keep(lineEnds.length, family);
      this.#output.write(batch.bytes);
    }
    if (this.#state !== 'streaming') this.#addRun(family, batch);
  }

  #beginFamily(family: FilteredFamily, { sampleName, line }: SampleBatch): void {
    this.#family = family;
    this.#decisions = new Map();
    this.#checkFamilies();
    if (family.state.isWritten) {
      // Duplicates are looked for within a family, and the earlier part of this one is forgotten.
      if (this.#state === 'streaming' && this.#identity !== undefined) {
        throw new TextFormatError(line, 'samples of one metric stand in two places', sampleName);
      }
      this.#hold();
    }
    if (this.#state === 'streaming') this.#digests.clear();
  }

  #addRun({ state }: FilteredFamily, { line, sampleName }: SampleBatch): void {
    const end = this.#output.end;
    if (end > this.#runStart && addRun(state.runs, this.#runStart, end)) this.#runs += 1;
    if (this.#state === 'holding' && end + this.#families.bytes(this.#runs) > maxHeld) {
      const fault = `metrics that come in pieces, of more than ${maxHeld} bytes`;
      throw new TextFormatError(line, fault, sampleName);
    }
  }

  #writeSeries(batch: SampleBatch, family: FilteredFamily, series: RelabelledSeries): void {
    const { lineEnds } = batch;
    const mapped = this.#mapped?.write(batch);
    if (mapped !== undefined) {
      this.#dropped['no-mapping'] += lineEnds.length - mapped.lines;
      if (mapped.lines > 0) this.#keep(mapped.lines, family);
      this.#output.writeLatin1(mapped.text);
      return;
    }
    const { bytes, nameLength } = batch;
    let start = 0;
    for (const end of lineEnds) {
      const fault = series.read(bytes, start, start + nameLength, end);
      if (fault === undefined) this.#writeOne(series, family);
      else this.#dropped[fault] += 1;
      start = end;
    }
  }

  #writeOne(series: RelabelledSeries, family: FilteredFamily): void {
    // The first series of a family is no duplicate.
    if (!family.state.isWritten) this.#writeHeader(family);
    const [output, identity, origin] = [this.#output, this.#identity, this.#origin];
    const start = series.write(output, identity, origin);
    if (identity !== undefined && this.#digests.claim(identity, origin.low) !== origin.low) {
      output.length = start;
      this.#dropped.duplicate += 1;
      return;
    }
    this.#keep(1, family);
    checkLimit(this.#digests.size, maxFamilySeries, 'series of one metric');
  }

  #writeHeader({ header, state }: FilteredFamily): void {
    state.isWritten = true;
    if (this.#state === 'holding') return;
    this.#output.write(Buffer.from(header));
    this.#runStart = this.#output.end;
  }

  #keep(series: number, family: FilteredFamily): void {
    if (!family.state.isWritten) this.#writeHeader(family);
    this.#kept += series;
    checkLimit(this.#kept, this.rules.maxSeries, 'series in one scrape');
  }
}
