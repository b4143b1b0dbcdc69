import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { RenderedExposition, StreamedExposition } from '../../exposition/exposition.js';
import type { Request } from '../middleware.js';
import { pumpBody } from './pump-body.js';
import { writeHead } from './status.js';
import type { WriteDeadline } from './write-deadline.js';

/** What of a scrape an exposition's format and coding depend on, for whoever stands between (RFC 9110, 12.5.5). */
export const variesBy = { Vary: 'Accept, Accept-Encoding' } as const;

export function isStreamed(rendered: RenderedExposition): rendered is StreamedExposition {
  return typeof rendered.body === 'object' && Symbol.asyncIterator in rendered.body;
}

/**
 * Sends a body as it comes, no faster than the client takes it. A body that fails, or has another length than it
 * said, ends the connection: half an exposition must not look like a whole one.
 *
 * Rejects then, and where the client goes away.
 */
export async function streamExposition(
  request: Request,
  response: ServerResponse,
  { contentType, contentLength, contentEncoding, body }: StreamedExposition,
  deadline: WriteDeadline,
): Promise<void> {
  writeHead(request, response, 200, {
    'Content-Type': contentType,
    ...variesBy,
    ...(contentLength === undefined ? {} : { 'Content-Length': contentLength }),
    ...(contentEncoding === undefined ? {} : { 'Content-Encoding': contentEncoding }),
  });
  response.strictContentLength = true;
  deadline.watch(response);
  await pumpBody(body, response);
}

/** Ends a body that nobody will read; resolves to false, since its request does not go on. */
export async function abandonStream({ body }: StreamedExposition): Promise<false> {
  if (body instanceof Readable) body.destroy();
  else await body[Symbol.asyncIterator]().return?.();
  return false;
}
