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
  contentLength?: number,
  contentEncoding?: string,
): void {
  writeHead(request, response, 200, contentType, contentLength, {
    Vary: vary,
    'Process-Start-Time-Unix': processStart,
    ...(contentEncoding !== undefined && { 'Content-Encoding': contentEncoding }),
  });
}

/**
 * Sends an exposition as it was rendered. Resolves when a long one is out, and rejects where its body fails or the client
 * goes away; a short one is left to the socket.
 */
export function sendExposition(
  request: Request,
  response: ServerResponse,
  rendered: RenderedExposition,
  deadline: WriteDeadline,
): Promise<void> | undefined {
  const { contentType, contentEncoding } = rendered;
  if (isStreamed(rendered)) {
    const { contentLength, body } = rendered;
    const coding = contentEncoding !== undefined && { 'Content-Encoding': contentEncoding };
    const headers = { Vary: vary, ...coding };
    writeHead(request, response, 200, contentType, contentLength, headers);
    // A truncated exposition must not look complete.
    response.strictContentLength = true;
    deadline.watch(response);
    return pumpBody(body[Symbol.asyncIterator](), response);
  }
  const { body } = rendered;
  const length = Buffer.byteLength(body);
  writeExpositionHead(request, response, contentType, length, contentEncoding);
  // A client's progress with a long body is only visible if it is sent in pieces.
  if (length > 4 * pieceBytes) {
    deadline.watch(response);
    return pumpBody(piecesOf(bytesOf(body)), response);
  }
  // Text of ASCII alone, which is as long in bytes, costs half of what encoding it as UTF-8 does.
  if (typeof body === 'string' && body.length === length) response.end(body, 'latin1');
  else response.end(bytesOf(body));
  deadline.watch(response);
  return undefined;
}

/** Node would join other text to the head, which copies it before it is encoded. */
function bytesOf(body: string | Uint8Array): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body;
}

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let start = 0; start < bytes.byteLength; start += pieceBytes) {
    yield bytes.subarray(start, start + pieceBytes);
  }
}

/**
 * Writes a body's chunks no faster than the response takes them; resolves when all of them are out. Node's own `pipeline`
 * does more: it makes an abort signal for each body, and an error where it ends well.
 *
 * Rejects where the body fails or the response closes before its end. The body is closed then, and the response
 * destroyed. `onBytes` is told of each chunk.
 */
export function pumpBody(
  chunks: AsyncIterator<Uint8Array, unknown> | Iterator<Uint8Array, unknown>,
  response: ServerResponse,
  onBytes?: (bytes: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
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
          return;
        }
        onBytes?.(value.byteLength);
        if (response.write(value)) take();
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
