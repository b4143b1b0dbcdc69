import type { RenderedExposition } from '../exposition.js';
import { BodySource } from '../delivery/body-source.js';

const maxTextLength = 64 * 1024;

/** A rendered exposition's bytes. */
export function bodyPieces({ body }: RenderedExposition): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (typeof body === 'string') return utf8Pieces(body);
  return body instanceof Uint8Array ? [body] : body;
}

/** So that no long text is encoded in one go. */
function* utf8Pieces(text: string): Generator<Uint8Array, void, undefined> {
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + maxTextLength);
    // The two halves of a character stay together.
    if (end < text.length && /[\ud800-\udbff]/.test(text.charAt(end - 1))) end += 1;
    yield Buffer.from(text.slice(start, end));
    start = end;
  }
}

/** Ends a body that nobody will read. */
export async function abandonBody({ body }: RenderedExposition): Promise<void> {
  if (typeof body === 'object' && Symbol.asyncIterator in body) await new BodySource(body).close();
}
