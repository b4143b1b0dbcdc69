import type { ServerResponse } from 'node:http';
import { breakOff, isSent } from '../middleware.js';

/** The client left, or was cut off. */
class ClosedEarlyError extends Error {
  override readonly name = 'ClosedEarlyError';
  readonly code = 'ERR_STREAM_PREMATURE_CLOSE';

  constructor() {
    super('the connection closed before the end of the answer');
  }
}

/**
 * Writes a body's chunks as the response takes them; resolves when all is out. Node's own `pipeline` makes
 * more of it: an abort signal a body, and an error where it ends well.
 *
 * Rejects where the body fails or the response closes before its end. The body is closed then, and the response
 * destroyed.
 */
export function pumpBody(body: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const chunks = body[Symbol.asyncIterator]();
    let isRead = false;
    let isOver = false;
    const fail = (error: unknown): void => {
      if (isOver) return;
      isOver = true;
      breakOff(response);
      reject(error instanceof Error ? error : new Error('the body failed'));
      // One that waits for its source ends when that does: the scrape's signal has fired.
      if (!isRead) close().catch(() => undefined);
    };
    // What throws where it should reject must not throw into an event of the response: nobody would catch it.
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
      if (!isOver) fail(new ClosedEarlyError());
    });
    take();
  });
}
