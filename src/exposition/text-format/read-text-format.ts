import { TimeSlice } from '../../time-slice.js';
import type { ExpositionPart } from './exposition-part.js';
import { TextFormatReader, type TextFormatReaderOptions } from './text-format-reader.js';

/** As little as costs no time in all: made of nothing but short lines, it takes some milliseconds. */
const maxPieceBytes = 8 * 1024;
const sliceMs = 4;

/**
 * The parts of an exposition, a few at a time, while it comes. However much comes at once, everything else has its
 * turn every few milliseconds.
 *
 * @throws TextFormatError at the first line that is malformed, and at the end where the exposition is not whole.
 */
export async function* readTextFormat(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: TextFormatReaderOptions,
): AsyncGenerator<readonly ExpositionPart[], void, undefined> {
  const reader = new TextFormatReader(options);
  const slice = new TimeSlice(sliceMs);
  for await (const chunk of body) {
    for (let at = 0; at < chunk.byteLength; at += maxPieceBytes) {
      const parts = reader.read(chunk.subarray(at, at + maxPieceBytes));
      if (parts.length > 0) yield parts;
      if (slice.isOver) await slice.rest();
    }
  }
  yield reader.end();
}
