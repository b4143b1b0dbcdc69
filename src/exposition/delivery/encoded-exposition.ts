import {
  type Exposition,
  type RenderedExposition,
  type StreamedExposition,
  type WholeExposition,
  isEncoded,
  isWhole,
} from '../exposition.js';
import { bodyPieces } from '../relabelling/body-pieces.js';
import { negotiateCoding } from './accept-encoding.js';
import { CompressedBody } from './compressed-body.js';
import { compressionOf, contentCodings, type ContentCoding } from './content-coding.js';

/** A body shorter than this (bytes) fits into a packet as it is; to compress it takes longer than to send it. */
const minBytes = 1024;

/** The longest body (bytes) that is compressed in one go, half a millisecond in the thread pool. */
const maxWholeBytes = 256 * 1024;

/**
 * Another exposition, compressed where the scraper asks for it: with gzip, or with zstd where this Node has it (22.15
 * and later). The work is done in Node's thread pool. What is encoded already passes as it is, whatever was asked for;
 * so does a body below 1 KiB. Where no coding fits, it is served unencoded, never refused.
 *
 * A body of up to 256 KiB that was whole stays whole, so that its length is known; any other is compressed as it is
 * read.
 */
export function encodedExposition(exposition: Exposition): Exposition {
  return {
    contentType: (request) => exposition.contentType(request),
    async render(request) {
      const coding = negotiateCoding(request.acceptEncoding ?? '', contentCodings);
      const rendered = await exposition.render(request);
      return coding === 'identity' || isEncoded(rendered) ? rendered : encoded(rendered, coding);
    },
  };
}

function encoded(
  rendered: RenderedExposition,
  coding: ContentCoding,
): RenderedExposition | Promise<RenderedExposition> {
  const { contentType } = rendered;
  if (isWhole(rendered)) {
    const { body } = rendered;
    // Bytes are at least as many as characters.
    if (body.length > maxWholeBytes) return streamed(contentType, inPieces(rendered), coding);
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    return bytes.byteLength < minBytes ? { contentType, body: bytes } : whole(contentType, bytes, coding);
  }
  const { body, contentLength = Infinity } = rendered;
  return contentLength < minBytes ? rendered : streamed(contentType, body, coding);
}

function whole(contentType: string, bytes: Uint8Array, coding: ContentCoding): Promise<WholeExposition> {
  return new Promise((resolve, reject) => {
    compressionOf(coding).whole(bytes, (error, body) => {
      if (error === null) resolve({ contentType, contentEncoding: coding, body });
      else reject(error);
    });
  });
}

function streamed(
  contentType: string,
  body: AsyncIterable<Uint8Array>,
  coding: ContentCoding,
): StreamedExposition {
  const open = compressionOf(coding).stream;
  return { contentType, contentEncoding: coding, body: new CompressedBody(body, open) };
}

async function* inPieces(rendered: WholeExposition): AsyncGenerator<Uint8Array, void, undefined> {
  yield* bodyPieces(rendered);
}
