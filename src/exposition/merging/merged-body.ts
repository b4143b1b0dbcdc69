import type { TimeSlice } from '../../time-slice.js';
import { ChunkWriter } from '../body.js';
import { SeriesDigest, SeriesDigests } from '../series-digests.js';
import { endOfName, findLabels, lineFeed, space, type LabelSpans } from '../text-format/labels.js';
import type { GroupedFamily, MergedPiece } from './merged-families.js';
import type { LeftOut } from './merging-options.js';

/**
 * An exposition of these families in chunks of about 64 KiB, the last one as the return value. Of series that stand
 * twice the first is written. `end` is written behind them.
 */
export async function* mergedBody(
  families: Iterable<GroupedFamily>,
  slice: TimeSlice,
  onLeftOut: (leftOut: LeftOut) => void,
  end = '',
): AsyncGenerator<Buffer, Buffer, undefined> {
  const output = new ChunkWriter();
  for (const family of families) {
    output.writeText(family.header);
    const series = family.mayHaveDuplicates ? new UnseenSeries() : undefined;
    for (const piece of family.pieces) {
      let duplicates = 0;
      series?.begin(piece);
      for (const lines of linesOf(piece)) {
        if (series === undefined) output.write(lines);
        else duplicates += yield* writeUnseen(lines, series, output, slice);
        // No `yield*`: it awaits a turn even where there is nothing to yield.
        for (const chunk of output.takeFull()) yield chunk;
        if (slice.isOver) await slice.rest();
      }
      if (duplicates > 0) {
        onLeftOut({ member: piece.member.name, family: family.name, cause: 'duplicate', series: duplicates });
      }
    }
    for (const chunk of output.takeFull()) yield chunk;
    if (slice.isOver) await slice.rest();
  }
  output.writeText(end);
  return yield* output.rest();
}

/** Returns how many lines were left out. */
async function* writeUnseen(
  lines: Buffer,
  series: UnseenSeries,
  output: ChunkWriter,
  slice: TimeSlice,
): AsyncGenerator<Buffer, number, undefined> {
  let duplicates = 0;
  for (let start = 0; start < lines.length;) {
    const end = endOfLine(lines, start);
    if (series.isNew(lines, start, end)) output.write(lines.subarray(start, end));
    else duplicates += 1;
    start = end;
    if (slice.isOver) {
      for (const chunk of output.takeFull()) yield chunk;
      await slice.rest();
    }
  }
  return duplicates;
}

function* linesOf({ bytes, runs }: MergedPiece): Generator<Buffer, void, undefined> {
  for (let at = 0; at < runs.length; at += 2) yield* bytes.between(runs[at] ?? 0, runs[at + 1] ?? 0);
}

/** Which series of one metric have been seen, and in which piece, by digests of 64 bits. */
class UnseenSeries {
  readonly #digest = new SeriesDigest();
  readonly #digests = new SeriesDigests();
  readonly #points = new SeriesDigests();
  readonly #spans: LabelSpans = [];
  #pieces = 0;
  #lines = 0;
  #hasRenamedLabels = false;

  /** What follows is of another piece. */
  begin({ hasRenamedLabels }: MergedPiece): void {
    this.#pieces += 1;
    this.#hasRenamedLabels = hasRenamedLabels;
  }

  /**
   * Whether the sample line that begins at `start` is of a series that no piece before has: what one member says of a
   * series more than once is its own affair, such as points of several times. Where labels got other names, two lines
   * of one member that have no time to tell them apart are of two series that became the same.
   */
  isNew(bytes: Buffer, start: number, end: number): boolean {
    const digest = this.#digest;
    const nameEnd = endOfName(bytes, start);
    digest.begin(bytes, start, nameEnd);
    const spans = this.#spans;
    const labelsEnd = findLabels(bytes, nameEnd, spans);
    for (let at = 0; at < spans.length; at += 4) {
      const valueEnd = spans[at + 3] ?? 0;
      // A label with an empty value is none.
      if (valueEnd > (spans[at + 2] ?? 0)) digest.addLabel(bytes, spans[at] ?? 0, valueEnd);
    }
    if (this.#digests.claim(digest, this.#pieces) !== this.#pieces) return false;
    if (!this.#hasRenamedLabels) return true;
    const timestamp = bytes.lastIndexOf(space, end - 1);
    if (timestamp > labelsEnd) digest.addLabel(bytes, timestamp, end);
    this.#lines += 1;
    return this.#points.claim(digest, this.#lines) === this.#lines;
  }
}

/** Where the next line begins: no value of a label holds a line feed. */
function endOfLine(bytes: Buffer, start: number): number {
  return bytes.indexOf(lineFeed, start) + 1;
}
