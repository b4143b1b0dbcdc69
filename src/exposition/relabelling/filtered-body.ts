import { TimeSlice } from '../../time-slice.js';
import type { RenderedExposition } from '../exposition.js';
import { mergedBody } from '../merging/merged-body.js';
import type { ExpositionFormat } from '../text-format/exposition-format.js';
import { readTextFormat } from '../text-format/read-text-format.js';
import { bodyPieces } from './body-pieces.js';
import type { ExpositionFilter } from './exposition-filter.js';
import { chunkBytes } from './output-chunks.js';

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
): AsyncGenerator<Uint8Array, void, undefined> {
  const options = maxLineBytes === undefined ? { format } : { format, maxLineBytes };
  for await (const parts of readTextFormat(bodyPieces(rendered), options)) {
    for (const part of parts) filter.write(part);
    yield* filter.takeFull();
  }
  const rest = filter.takeRest();
  if (rest !== undefined) yield* rest;
  else {
    const slice = new TimeSlice(sliceMs);
    slice.begin();
    yield Buffer.concat([yield* mergedBody(filter.held(), slice, () => undefined), Buffer.from(filter.end)]);
  }
}

/**
 * Reads a body until it is known to be whole or to have 64 KiB: what is wrong with it so far can still be answered
 * with a status.
 */
export async function withFirstChunk(
  contentType: string,
  body: AsyncGenerator<Uint8Array, void, undefined>,
): Promise<RenderedExposition> {
  const first: Uint8Array[] = [];
  for (let length = 0; length < chunkBytes;) {
    const next = await body.next();
    if (next.done === true) return { contentType, body: Buffer.concat(first) };
    first.push(next.value);
    length += next.value.byteLength;
  }
  return { contentType, body: continued(first, body) };
}

/** No generator: one that was never begun would not end what it goes on with. */
function continued(
  first: Uint8Array[],
  rest: AsyncGenerator<Uint8Array, void, undefined>,
): AsyncIterableIterator<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      const value = first.shift();
      return value === undefined ? rest.next() : Promise.resolve({ done: false, value });
    },
    return() {
      first.length = 0;
      return rest.return();
    },
  };
}
