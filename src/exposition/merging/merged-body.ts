import type { TimeSlice } from '../../time-slice.js';
import { OutputChunks } from '../relabelling/output-chunks.js';
import type { LeftOut } from './member.js';
import type { MergedFamily, MergedPiece } from './merged-families.js';
import { endOfLine, UnseenSeries } from './unseen-series.js';

/**
 * An exposition of these families in chunks of about 64 KiB, the last one as the return value. Of series that stand
 * twice the first is written.
 */
export async function* mergedBody(
  families: Iterable<MergedFamily>,
  slice: TimeSlice,
  onLeftOut: (leftOut: LeftOut) => void,
): AsyncGenerator<Buffer, Buffer, undefined> {
  const output = new OutputChunks();
  for (const family of families) {
    output.appendWhole(headerOf(family));
    const series = family.mayHaveDuplicates ? new UnseenSeries() : undefined;
    for (const piece of family.pieces) {
      let duplicates = 0;
      for (const lines of piece.bytes.between(piece.start, piece.end)) {
        if (series === undefined) output.appendWhole(lines);
        else duplicates += yield* writeUnseen(lines, series, output, slice);
        yield* output.takeFull();
        if (slice.isOver) await slice.rest();
      }
      if (duplicates > 0) onLeftOut(duplicatesOf(family, piece, duplicates));
    }
    yield* output.takeFull();
    if (slice.isOver) await slice.rest();
  }
  return Buffer.concat(output.takeRest());
}

/** Returns how many lines were left out. */
async function* writeUnseen(
  lines: Buffer,
  series: UnseenSeries,
  output: OutputChunks,
  slice: TimeSlice,
): AsyncGenerator<Buffer, number, undefined> {
  let duplicates = 0;
  for (let start = 0; start < lines.length;) {
    const end = endOfLine(lines, start);
    if (series.isNew(lines, start)) output.appendWhole(lines.subarray(start, end));
    else duplicates += 1;
    start = end;
    if (slice.isOver) {
      yield* output.takeFull();
      await slice.rest();
    }
  }
  return duplicates;
}

/** Its type is always said: without it, samples could be taken for the family's before. */
function headerOf({ name, type, help }: MergedFamily): Buffer {
  return Buffer.from(`${help === undefined ? '' : `# HELP ${name} ${help}\n`}# TYPE ${name} ${type}\n`);
}

function duplicatesOf(family: MergedFamily, piece: MergedPiece, series: number): LeftOut {
  return { member: piece.member.name, family: family.name, cause: 'duplicate', series };
}
