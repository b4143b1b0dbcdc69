import type { ServerResponse } from 'node:http';
import { isStreamed, type RenderedExposition } from '../../exposition/exposition.js';
import { breakOff, isSent, type Request } from '../middleware.js';
import { writeHead } from './status.js';
import type { WriteDeadline } from './write-deadline.js';

/** Progress of a client is measured in pieces of this size (bytes). */
const pieceBytes = 64 * 1024;
/** The request headers that format and coding depend on, for caches (RFC 9110, 12.5.5). */
const vary = 'Accept, Accept-Encoding';
const processStart = String(Math.floor((Date.now() - process.uptime() * 1000) / 1000));

/** The head of an exposition that is sent whole, also for HEAD. */
export function writeExpositionHead(
  request: Request,
  response: ServerResponse,
  contentType: string,
  headers: Readonly<Record<string, string | number>> = {},
): void {
  writeHead(request, response, 200, {
    'Content-Type': contentType,
    Vary: vary,
    'Process-Start-Time-Unix': processStart,
    ...headers,
  });
}

/** Sends an exposition as it was rendered. Rejects where its body fails or the client goes away. */
export async function sendExposition(
  request: Request,
  response: ServerResponse,
  rendered: RenderedExposition,
  deadline: WriteDeadline,
): Promise<void> {
  const { contentType, contentEncoding } = rendered;
  const coding = contentEncoding === undefined ? undefined : { 'Content-Encoding': contentEncoding };
  if (isStreamed(rendered)) {
    const { contentLength, body } = rendered;
    const length = contentLength === undefined ? undefined : { 'Content-Length': contentLength };
    writeHead(request, response, 200, { 'Content-Type': contentType, Vary: vary, ...length, ...coding });
    // A truncated exposition must not look complete.
    response.strictContentLength = true;
    deadline.watch(response);
    await pumpBody(body, response);
    return;
  }
  const { body } = rendered;
  // Bytes, since Node would join a string to the head, which copies it.
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  writeExpositionHead(request, response, contentType, { ...coding, 'Content-Length': bytes.byteLength });
  // A client's progress with a long body is only visible if it is sent in pieces.
  if (bytes.byteLength > 4 * pieceBytes) {
    deadline.watch(response);
    await pumpBody(piecesOf(bytes), response);
  } else {
    response.end(bytes);
    deadline.watch(response);
  }
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let start = 0; start < bytes.byteLength; start += pieceBytes) {
    yield await Promise.resolve(bytes.subarray(start, start + pieceBytes));
  }
}

/**
 * Writes a body's chunks no faster than the response takes them; resolves when all of them are out. Node's own `pipeline`
 * does more: it makes an abort signal for each body, and an error where it ends well.
 *
 * Rejects where the body fails or the response closes before its end. The body is closed then, and the response
 * destroyed.
 */
function pumpBody(body: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const chunks = body[Symbol.asyncIterator]();
    let isRead = false;
    let isOver = false;
    const fail = (error: unknown): void => {
      if (isOver) return;
      isOver = true;
      breakOff(response);
      reject(error instanceof Error ? error : new Error('the body failed'));
      // A body that waits for its source ends with it: the scrape's signal has fired.
      if (!isRead) close().catch(() => undefined);
    };
    // Async, so that an iterator that throws rejects, instead of throwing into an event of the response.
    const next = async (): Promise<IteratorResult<Uint8Array, unknown>> => await chunks.next();
    const close = async (): Promise<unknown> => await chunks.return?.();
    const take = (): void => {
      next().then(write, (error: unknown) => {
        isRead = true;
        fail(error);
      });
    };
    const write = ({ done, value }: IteratorResult<Uint8Array, unknown>): void => {
      if (isOver) return;
      try {
        if (done === true) {
          isRead = true;
          response.end();
        } else if (response.write(value)) take();
        else response.once('drain', take);
      } catch (error) {
        fail(error);
      }
    };
    response.once('finish', () => {
      if (!isSent(response)) return;
      isOver = true;
      resolve();
    });
    response.once('error', fail);
    response.once('close', () => {
      if (!isOver) fail(new Error('the connection closed before the end of the answer'));
    });
    take();
  });
}
