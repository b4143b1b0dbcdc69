import { randomInt } from 'node:crypto';
import { TimeSlice } from '../../time-slice.js';
import { ChunkWriter } from '../body.js';
import { SeriesLimitError } from '../exposition-errors.js';
import type { ExpositionPart, SampleBatch } from '../text-format/exposition-part.js';
import { KnownFamilies } from '../text-format/known-families.js';
import { findLabels, isAt, type LabelSpans } from '../text-format/labels.js';
import { escapedText } from '../text-format/quoted-text.js';

/** More than any server has: what is done once for all of them takes no longer than a few milliseconds. */
const maxFamilies = 20_000;
const noRun = 0xffff_ffff;

/** The memory for one value of the label, which may have a single short line (bytes). */
const nameBytes = 64;
/** So many take less than a MiB. */
const uncountedNames = 10_000;

/** To look at the clock takes as long as a few runs, or metrics. */
const stepsPerLook = 64;
const noBytes = Buffer.alloc(0);

/** More are not sorted in one go: it takes longer to go through all metrics, but in steps. */
const maxSortedFamilies = 1000;

/** A longer body is not put together in one go (bytes). */
const maxWholeBytes = 256 * 1024;

/** The runs of one workspace by the order of their metrics, and in it. */
type RunsByFamily = readonly (readonly [family: number, runs: readonly number[]])[];

/**
 * The series of one exposition that have a label, by the label's value. Their lines are copied once, as they come, and
 * for each run of lines of one value three numbers are kept: where it begins, whose metric it is of, and which run of the
 * value is next. So it takes as much memory as the lines, and little more.
 */
export class SeriesByWorkspace {
  readonly #labelName: string;
  readonly #label: Buffer;
  readonly #lines = new ChunkWriter();
  readonly #runStarts = new Numbers();
  readonly #runFamilies = new Numbers();
  readonly #nextRuns = new Numbers();
  /** The label's values as lines have them, escaped. */
  readonly #workspaces = new NumberedNames();
  readonly #firstRuns = new Numbers();
  readonly #lastRuns = new Numbers();
  readonly #numbers = [this.#runStarts, this.#runFamilies, this.#nextRuns, this.#firstRuns, this.#lastRuns];
  #familyCount = 0;
  #families = this.#noFamilies();
  /** Metrics without a header that turned out to be samples of another one. */
  readonly #strayed = new Map<number, number>();
  /** HELP, TYPE and UNIT by the order of metrics; known at the end. */
  #headers: readonly (Buffer | undefined)[] = [];
  #end = noBytes;
  readonly #spans: LabelSpans = [];
  /** What the last line belongs to. */
  #family = -1;
  #workspace = -1;

  /**
   * @param maxBytes of its lines, with headers and with what values of the label take; at most 4 GiB, since positions are
   * kept in 32 bits.
   */
  constructor(
    label: string,
    private readonly maxBytes: number,
  ) {
    this.#labelName = label;
    this.#label = Buffer.from(label);
  }

  /** How many workspaces have series, and how many bytes their lines are. */
  get size(): { readonly workspaces: number; readonly bytes: number } {
    return { workspaces: this.#workspaces.size, bytes: this.#lines.end };
  }

  /** @throws SeriesLimitError */
  write(part: ExpositionPart): void {
    if (part.kind === 'samples') this.#writeSamples(part);
    else if (part.kind === 'end') this.#end = Buffer.from('# EOF\n');
    else if (part.kind === 'metadata') {
      this.#families.add(part, (strayed, family) => {
        this.#strayed.set(strayed, family);
      });
      this.#checkFamilies();
    }
  }

  /** After the last part. */
  async finish(): Promise<void> {
    const slice = new TimeSlice().begin();
    const headers: (Buffer | undefined)[] = [];
    for (const { header, state: order } of this.#families.all) {
      headers[order] = Buffer.from(header);
      if (order % stepsPerLook === 0 && slice.isOver) await slice.rest();
    }
    this.#headers = headers;
    this.#families = this.#noFamilies();
    this.#familyCount = 0;
  }

  /** Forgets all, and keeps the memory for the next exposition: nobody may read any longer. */
  clear(): void {
    this.#lines.clear();
    for (const numbers of this.#numbers) numbers.length = 0;
    this.#workspaces.clear();
    this.#strayed.clear();
    this.#headers = [];
    this.#end = noBytes;
    this.#family = -1;
    this.#workspace = -1;
  }

  /**
   * What is served to one workspace: whole where it is short. Only after `finish`.
   *
   * @param name the label's value, unescaped; compared exactly.
   */
  async seriesOf(name: string): Promise<Uint8Array | AsyncGenerator<Uint8Array, void, undefined>> {
    const slice = new TimeSlice().begin();
    const runs = await this.#runsOf(name, slice);
    let length = this.#end.length;
    let steps = 0;
    for (const [start, end, header] of this.#linesAt(runs)) {
      length += end - start + header.length;
      if (length > maxWholeBytes) return inChunks(this.#pieces(runs));
      steps += 1;
      if (steps % stepsPerLook === 0 && slice.isOver) await slice.rest();
    }
    const body = Buffer.allocUnsafe(length);
    let at = 0;
    for (const [start, end, header] of this.#linesAt(runs)) {
      at += header.copy(body, at);
      at = this.#lines.copy(start, end, body, at);
      steps += 1;
      if (steps % stepsPerLook === 0 && slice.isOver) await slice.rest();
    }
    this.#end.copy(body, at);
    return body;
  }

  async #runsOf(name: string, slice: TimeSlice): Promise<RunsByFamily> {
    const byFamily = new Map<number, number[]>();
    let steps = 0;
    for (let run = this.#firstRunOf(name); run !== noRun; run = this.#nextRuns.at(run)) {
      const family = this.#familyOf(run);
      const known = byFamily.get(family);
      if (known === undefined) byFamily.set(family, [run]);
      else known.push(run);
      steps += 1;
      if (steps % stepsPerLook === 0 && slice.isOver) await slice.rest();
    }
    if (byFamily.size <= maxSortedFamilies) return [...byFamily].sort(([one], [other]) => one - other);
    const sorted: (readonly [number, readonly number[]])[] = [];
    for (let family = 0; family < this.#headers.length; family += 1) {
      const ofFamily = byFamily.get(family);
      if (ofFamily !== undefined) sorted.push([family, ofFamily]);
      if (family % stepsPerLook === 0 && slice.isOver) await slice.rest();
    }
    return sorted;
  }

  /** Where the lines of each run begin and end, with the header before the first of a metric. */
  *#linesAt(byFamily: RunsByFamily): Generator<readonly [start: number, end: number, header: Buffer]> {
    for (const [family, runs] of byFamily) {
      let header = this.#headers[family] ?? noBytes;
      for (const run of runs) {
        yield [this.#runStarts.at(run), this.#endOf(run), header];
        header = noBytes;
      }
    }
  }

  *#pieces(runs: RunsByFamily): Generator<Uint8Array, void, undefined> {
    for (const [start, end, header] of this.#linesAt(runs)) {
      yield header;
      yield* this.#lines.between(start, end);
    }
    yield this.#end;
  }

  /** Numbered in the order in which they are first named. */
  #noFamilies(): KnownFamilies<number> {
    return new KnownFamilies(() => this.#familyCount++);
  }

  #firstRunOf(name: string): number {
    const bytes = Buffer.from(escapedText(name));
    const workspace = bytes.length === 0 ? undefined : this.#workspaces.find(bytes, 0, bytes.length);
    return workspace === undefined ? noRun : this.#firstRuns.at(workspace);
  }

  /** Runs follow one another without a gap. */
  #endOf(run: number): number {
    return run + 1 < this.#runStarts.length ? this.#runStarts.at(run + 1) : this.#lines.end;
  }

  #familyOf(run: number): number {
    const family = this.#runFamilies.at(run);
    return this.#strayed.get(family) ?? family;
  }

  #writeSamples(batch: SampleBatch): void {
    const { state: family } = this.#families.of(batch.sampleName);
    this.#checkFamilies();
    if (batch.labelNames?.includes(this.#labelName) === false) return;
    const { bytes, nameLength, lineEnds } = batch;
    // Neighbouring lines are copied together.
    let from = 0;
    let start = 0;
    for (const end of lineEnds) {
      if (this.#attribute(bytes, start + nameLength, family, this.#lines.end + start - from) === undefined) {
        this.#lines.write(bytes.subarray(from, start));
        from = end;
      }
      start = end;
    }
    this.#lines.write(bytes.subarray(from, start));
    this.#checkBytes();
  }

  /**
   * Finds whose a line is that will stand at `position`, and begins a run with it unless the line before is of the same
   * workspace and metric. Undefined where it is nobody's.
   */
  #attribute(bytes: Buffer, nameEnd: number, family: number, position: number): number | undefined {
    const spans = this.#spans;
    findLabels(bytes, nameEnd, spans);
    let at = 0;
    while (at < spans.length && !isAt(bytes, spans[at] ?? 0, spans[at + 1] ?? 0, this.#label)) at += 4;
    const [valueStart = 0, valueEnd = 0] = [spans[at + 2], spans[at + 3]];
    // A label with an empty value is none.
    if (valueEnd <= valueStart) return undefined;
    const workspace =
      this.#workspaces.find(bytes, valueStart, valueEnd) ?? this.#add(bytes, valueStart, valueEnd);
    if (workspace === this.#workspace && family === this.#family) return workspace;
    const run = this.#runStarts.push(position);
    this.#runFamilies.push(family);
    this.#nextRuns.push(noRun);
    const last = this.#lastRuns.at(workspace);
    if (last === noRun) this.#firstRuns.set(workspace, run);
    else this.#nextRuns.set(last, run);
    this.#lastRuns.set(workspace, run);
    this.#workspace = workspace;
    this.#family = family;
    return workspace;
  }

  #add(bytes: Buffer, start: number, end: number): number {
    this.#firstRuns.push(noRun);
    this.#lastRuns.push(noRun);
    return this.#workspaces.add(bytes, start, end);
  }

  #checkFamilies(): void {
    if (this.#families.size > maxFamilies)
      throw new SeriesLimitError(`more than ${maxFamilies} metrics in one scrape`);
    this.#checkBytes();
  }

  #checkBytes(): void {
    const names = nameBytes * Math.max(0, this.#workspaces.size - uncountedNames);
    if (this.#lines.end + this.#families.headerLength + names > this.maxBytes)
      throw new SeriesLimitError(`more than ${this.maxBytes} bytes of series`);
  }
}

async function* inChunks(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const slice = new TimeSlice().begin();
  const output = new ChunkWriter();
  for (const piece of pieces) {
    output.write(piece);
    // No `yield*`: it awaits a turn even where there is nothing to yield.
    for (const chunk of output.takeFull()) yield chunk;
    if (slice.isOver) await slice.rest();
  }
  const last = yield* output.rest();
  if (last.length > 0) yield last;
}

const slotCount = 1 << 18;
/** Secret, the factor odd: nobody can choose names that all meet in one slot. */
const [hashSeed, hashFactor] = [randomInt(2 ** 32), randomInt(2 ** 32) | 1];

/** Texts, numbered in the order they are added. The table never grows: that would take long in one go. */
class NumberedNames {
  /** As Latin-1. */
  #names: string[] = [];
  readonly #hashes = new Numbers();
  /** The next name in the same slot, plus 1; 0: none. */
  readonly #next = new Numbers();
  readonly #slots = new Uint32Array(slotCount);

  get size(): number {
    return this.#names.length;
  }

  clear(): void {
    this.#names = [];
    this.#hashes.length = 0;
    this.#next.length = 0;
    this.#slots.fill(0);
  }

  find(bytes: Uint8Array, start: number, end: number): number | undefined {
    const hash = hashOf(bytes, start, end);
    for (let at = this.#slots[hash % slotCount] ?? 0; at > 0; at = this.#next.at(at - 1)) {
      if (this.#hashes.at(at - 1) === hash && this.#isAt(at - 1, bytes, start, end)) return at - 1;
    }
    return undefined;
  }

  add(bytes: Buffer, start: number, end: number): number {
    const hash = hashOf(bytes, start, end);
    const slot = hash % slotCount;
    this.#hashes.push(hash);
    this.#next.push(this.#slots[slot] ?? 0);
    this.#slots[slot] = this.#names.push(bytes.toString('latin1', start, end));
    return this.#names.length - 1;
  }

  #isAt(number: number, bytes: Uint8Array, start: number, end: number): boolean {
    const name = this.#names[number] ?? '';
    if (end - start !== name.length) return false;
    for (let at = 0; at < name.length; at += 1) if (bytes[start + at] !== name.charCodeAt(at)) return false;
    return true;
  }
}

/** Each byte changes what becomes of those behind it: with a known factor, as in FNV-1a, two could take each other back. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = hashSeed;
  for (let at = start; at < end; at += 1) {
    hash = Math.imul(hash ^ (bytes[at] ?? 0), hashFactor);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

const blockBits = 12;
const blockLength = 1 << blockBits;

/** Whole numbers of 32 bits, in blocks: to grow moves none of them. */
class Numbers {
  readonly #blocks: Uint32Array[] = [];
  length = 0;

  /** Returns its index. */
  push(value: number): number {
    const index = this.length++;
    this.#blocks[index >>> blockBits] ??= new Uint32Array(blockLength);
    this.set(index, value);
    return index;
  }

  at(index: number): number {
    return this.#blocks[index >>> blockBits]?.[index % blockLength] ?? 0;
  }

  set(index: number, value: number): void {
    const block = this.#blocks[index >>> blockBits];
    if (block !== undefined) block[index % blockLength] = value;
  }
}
