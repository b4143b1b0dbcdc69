import type { ExpositionPart, MetricFamily, SampleBatch } from '../text-format/exposition-part.js';
import { TextFormatError } from '../text-format/text-format-error.js';
import { KnownFamilies } from './known-families.js';
import type { LabelRule } from './label-rules.js';
import type { MetricNameRule } from './metric-name-rules.js';
import { OutputChunks } from './output-chunks.js';
import { RelabelledSeries, type SeriesFault } from './relabelled-series.js';
import { SeriesLimitError } from './relabelling-error.js';
import { SeriesDigest } from './series-digest.js';
import { SeriesDigests } from './series-digests.js';

/** Why a series is left out; `duplicate` where with its new labels it is the same as one before. */
export type DropReason = 'metric-name' | 'duplicate' | SeriesFault;

export interface SeriesCounts {
  readonly kept: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

export interface ExpositionFilterOptions {
  readonly metricNames: MetricNameRule | undefined;
  readonly labels: readonly LabelRule[];
  /** Whether two series may get the same labels. */
  readonly mayJoinSeries: boolean;
  readonly maxSeries: number;
}

/** What is remembered to find duplicates has an end, too (16 to 54 bytes a series). */
const maxFamilySeries = 4_000_000;
const maxSampleNames = 200_000;

/** Decides of each part of one exposition, and writes what is left. */
export class ExpositionFilter {
  readonly output = new OutputChunks();
  readonly #options: ExpositionFilterOptions;
  readonly #series: RelabelledSeries | undefined;
  readonly #digest: SeriesDigest | undefined;
  readonly #digests = new SeriesDigests();
  #family: MetricFamily | undefined;
  #isFamilyWritten = false;
  /** By the names of this family's samples. */
  #decisions = new Map<string, boolean>();
  /** Of all families so far. */
  readonly #sampleNames = new Set<string>();
  readonly #knownFamilies = new KnownFamilies();
  #kept = 0;
  readonly #dropped = { 'metric-name': 0, duplicate: 0, 'no-mapping': 0, 'label-conflict': 0 };

  constructor(options: ExpositionFilterOptions) {
    this.#options = options;
    if (options.labels.length > 0) this.#series = new RelabelledSeries(options.labels);
    if (options.mayJoinSeries) this.#digest = new SeriesDigest();
  }

  get counts(): SeriesCounts {
    return { kept: this.#kept, dropped: { ...this.#dropped } };
  }

  /** @throws TextFormatError, SeriesLimitError */
  write(part: ExpositionPart): void {
    switch (part.kind) {
      case 'family':
        this.#family = part;
        this.#isFamilyWritten = false;
        this.#decisions = new Map();
        this.#digests.clear();
        if (this.#options.metricNames !== undefined) this.#knownFamilies.add(part);
        return;
      case 'samples':
        this.#writeSamples(part);
        return;
      case 'comment':
        // Nobody knows of whom a comment speaks.
        if (part.isBlank && this.#isFamilyWritten) this.output.appendWhole(part.bytes);
        return;
      case 'end':
        this.output.appendWhole(part.bytes);
    }
  }

  #writeSamples(batch: SampleBatch): void {
    const { sampleName, lineEnds, bytes } = batch;
    let isKept = this.#decisions.get(sampleName);
    if (isKept === undefined) {
      isKept = this.#options.metricNames?.(this.#familyOf(sampleName), sampleName) ?? true;
      this.#decisions.set(sampleName, isKept);
      if (this.#digest !== undefined) this.#refuseSecondPlace(batch);
    }
    if (!isKept) this.#dropped['metric-name'] += lineEnds.length;
    else if (this.#series !== undefined) this.#writeSeries(batch, this.#series);
    else {
      this.#keep(lineEnds.length);
      this.output.appendWhole(bytes);
    }
  }

  #familyOf(sampleName: string): string {
    const { name = sampleName, header } = this.#family ?? {};
    return (header?.length === 0 ? this.#knownFamilies.familyOf(sampleName) : undefined) ?? name;
  }

  #writeSeries({ bytes, nameEnds, lineEnds }: SampleBatch, series: RelabelledSeries): void {
    let start = 0;
    for (let at = 0; at < lineEnds.length; at += 1) {
      const [nameEnd = 0, end = 0] = [nameEnds[at], lineEnds[at]];
      const fault = series.read(bytes, start, nameEnd, end);
      if (fault === undefined) this.#writeOne(series);
      else this.#dropped[fault] += 1;
      start = end;
    }
  }

  #writeOne(series: RelabelledSeries): void {
    const { output } = this;
    // The first series of a family is no duplicate.
    if (!this.#isFamilyWritten) this.#writeHeader();
    const start = series.write(output, this.#digest);
    if (this.#digest !== undefined && !this.#digests.add(this.#digest)) {
      output.length = start;
      this.#dropped.duplicate += 1;
      return;
    }
    this.#keep(1);
    if (this.#digests.size > maxFamilySeries) {
      throw new SeriesLimitError(`more than ${maxFamilySeries} series of one metric`);
    }
  }

  #writeHeader(): void {
    this.#isFamilyWritten = true;
    if (this.#family !== undefined) this.output.appendWhole(this.#family.header);
  }

  #keep(series: number): void {
    const { maxSeries } = this.#options;
    if (!this.#isFamilyWritten) this.#writeHeader();
    this.#kept += series;
    if (maxSeries > 0 && this.#kept > maxSeries) {
      throw new SeriesLimitError(`more than ${maxSeries} series in one scrape`);
    }
  }

  /** Duplicates are looked for within a family: a metric that stood in another one would not be seen. */
  #refuseSecondPlace({ sampleName, line }: SampleBatch): void {
    if (this.#sampleNames.has(sampleName)) {
      throw new TextFormatError(line, 'samples of one metric stand in two places', sampleName);
    }
    if (this.#sampleNames.size >= maxSampleNames) {
      throw new SeriesLimitError(`more than ${maxSampleNames} metrics in one scrape`);
    }
    this.#sampleNames.add(sampleName);
  }
}
