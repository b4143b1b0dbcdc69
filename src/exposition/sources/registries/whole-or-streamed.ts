import type { RenderedExposition } from '../../exposition.js';

/** What is over within the first chunk is sent whole, so that its length is known; anything longer as it comes. */
export async function wholeOrStreamed(
  contentType: string,
  chunks: AsyncGenerator<Buffer, Buffer, undefined>,
): Promise<RenderedExposition> {
  const first = await chunks.next();
  if (first.done === true) return { contentType, body: first.value };
  return { contentType, body: streamed(first.value, chunks) };
}

async function* streamed(
  first: Buffer,
  chunks: AsyncGenerator<Buffer, Buffer, undefined>,
): AsyncGenerator<Buffer, void, undefined> {
  yield first;
  const last = yield* chunks;
  if (last.byteLength > 0) yield last;
}
