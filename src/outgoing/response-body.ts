import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import { ApiConnectionError } from './api-error.js';
import { connectionError } from './connection-fault.js';
import { oneLine } from './one-line.js';
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
    for await (const chunk of decoded(answer, server)) {
      end.signal.throwIfAborted();
      yield chunk;
    }
    // What has come as a whole ends like any other, although it was ended before it was read.
    end.signal.throwIfAborted();
  } catch (error) {
    throw end.reason ?? connectionError(server, error);
  } finally {
    if (!answer.readableEnded) answer.destroy();
    end.release();
  }
}

/**
 * All requests ask for `identity`; a proxy may compress all the same. Of gzip, every member is read, and as far as it
 * has come: a watch may be a member for each flush. Whoever reads bounds how much it may become.
 */
function decoded(answer: IncomingMessage, server: string): AsyncIterable<Buffer> {
  const coding = answer.headers['content-encoding']?.trim().toLowerCase() ?? '';
  if (coding === '' || coding === 'identity') return answer;
  if (coding !== 'gzip' && coding !== 'x-gzip') {
    throw new ApiConnectionError(
      `${server}: the answer is compressed as ${JSON.stringify(oneLine(coding, 40))}, which was not asked for`,
    );
  }
  // Its errors are those of the answer, too, and are told to whoever reads.
  return pipeline(answer, createGunzip({ flush: constants.Z_SYNC_FLUSH }), () => undefined);
}
