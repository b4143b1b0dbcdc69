import type { IncomingMessage } from 'node:http';
import { connectionError } from './connection-fault.js';
import type { RequestEnd } from './request-end.js';

/**
 * An answer's body. Whoever stops reading before its end closes the connection; read to the end, it is left for
 * the next request.
 *
 * @throws ApiConnectionError where it breaks off, or is ended.
 */
export async function* responseBody(
  answer: IncomingMessage,
  server: string,
  end: RequestEnd,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      end.signal.throwIfAborted();
      yield chunk;
    }
    // What has come as a whole ends like any other, although it was ended before it was read.
    end.signal.throwIfAborted();
  } catch (error) {
    throw end.reason ?? connectionError(server, error);
  } finally {
    end.release();
  }
}
