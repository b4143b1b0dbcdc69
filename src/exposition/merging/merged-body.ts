import type { TimeSlice } from '../../time-slice.js';
import { ChunkWriter } from '../body.js';
import type { LeftOut } from './member.js';
import type { GroupedFamily, MergedPiece } from './merged-families.js';
import { endOfLine, UnseenSeries } from './unseen-series.js';

/**
 * An exposition of these families in chunks of about 64 KiB, the last one as the return value. Of series that stand
 * twice the first is written.
 */
export async function* mergedBody(
  families: Iterable<GroupedFamily>,
  slice: TimeSlice,
  onLeftOut: (leftOut: LeftOut) => void,
): AsyncGenerator<Buffer, Buffer, undefined> {
  const output = new ChunkWriter();
  for (const family of families) {
    output.write(Buffer.from(family.header));
    const series = family.mayHaveDuplicates ? new UnseenSeries() : undefined;
    for (const piece of family.pieces) {
      let duplicates = 0;
      series?.begin(piece);
      for (const lines of linesOf(piece)) {
        if (series === undefined) output.write(lines);
        else duplicates += yield* writeUnseen(lines, series, output, slice);
        yield* output.takeFull();
        if (slice.isOver) await slice.rest();
      }
      if (duplicates > 0) onLeftOut(duplicatesOf(family, piece, duplicates));
    }
    yield* output.takeFull();
    if (slice.isOver) await slice.rest();
  }
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
      yield* output.takeFull();
      await slice.rest();
    }
  }
  return duplicates;
}

function* linesOf({ bytes, runs }: MergedPiece): Generator<Buffer, void, undefined> {
  for (let at = 0; at < runs.length; at += 2) yield* bytes.between(runs[at] ?? 0, runs[at + 1] ?? 0);
}

function duplicatesOf(family: GroupedFamily, piece: MergedPiece, series: number): LeftOut {
  return { member: piece.member.name, family: family.name, cause: 'duplicate', series };
}
