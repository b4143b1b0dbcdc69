import { TimeSlice } from '../../time-slice.js';
import type { RenderedExposition } from '../exposition.js';
import { mergedBody } from '../merging/merged-body.js';
import type { ExpositionFormat } from '../text-format/exposition-format.js';
import { readTextFormat } from '../text-format/read-text-format.js';
import { bodyPieces } from '../body.js';
import type { ExpositionFilter } from './exposition-filter.js';

export interface FilteredBodyOptions {
  readonly format: ExpositionFormat;
  readonly maxLineBytes: number | undefined;
  readonly filter: ExpositionFilter;
}

/** Work in one go (ms). */
const sliceMs = 4;

/** What is left of an exposition, in chunks of about 64 KiB; only the last one is smaller. */
export async function* filteredBody(
  rendered: RenderedExposition,
  { format, maxLineBytes, filter }: FilteredBodyOptions,
): AsyncGenerator<Uint8Array, undefined, undefined> {
  const options = maxLineBytes === undefined ? { format } : { format, maxLineBytes };
  for await (const parts of readTextFormat(bodyPieces(rendered), options)) {
    for (const part of parts) filter.write(part);
    yield* filter.takeFull();
  }
  const rest = filter.takeRest();
  if (rest !== undefined) {
    const last = yield* rest;
    if (last.length > 0) yield last;
  } else {
    const slice = new TimeSlice(sliceMs);
    slice.begin();
    yield Buffer.concat([yield* mergedBody(filter.held(), slice, () => undefined), Buffer.from(filter.end)]);
  }
}
