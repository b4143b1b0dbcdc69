import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import { oneLine } from '../documents/one-line.js';
import { ApiConnectionError, connectionError } from './outgoing-errors.js';

/** Ends a request: its caller asks for it, or the answer's headers take too long. */
export class RequestEnd {
  /** Called when the end comes. */
  onReached: (() => void) | undefined;
  /** Undefined until it has come. */
  reason: ApiConnectionError | undefined;
  readonly #callers: AbortSignal | undefined;
  readonly #onAbort: () => void;
  readonly #deadline: NodeJS.Timeout;

  constructor(server: string, timeoutMs: number, callers: AbortSignal | undefined) {
    const end = (problem: string, code: string): void => {
      this.reason = new ApiConnectionError(`${server}: ${problem} (${code})`, code);
      this.release();
      this.onReached?.();
    };
    this.#callers = callers;
    this.#onAbort = () => {
      end('the request was aborted', 'ABORT_ERR');
    };
    this.#deadline = setTimeout(() => {
      end(`no answer within ${timeoutMs} ms`, 'ETIMEDOUT');
    }, timeoutMs);
    if (callers?.aborted === true) this.#onAbort();
    else callers?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** The same as `work`, but rejects as soon as the end comes. */
  unlessReached<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.onReached = () => {
        reject(this.reason ?? new Error('aborted'));
      };
      if (this.reason !== undefined) this.onReached();
      work.then(resolve, reject);
    });
  }

  /** From now on only the caller aborts it. */
  headersCame(): void {
    clearTimeout(this.#deadline);
  }

  /** Nothing is left to end. */
  release(): void {
    clearTimeout(this.#deadline);
    this.#callers?.removeEventListener('abort', this.#onAbort);
  }
}

/**
 * An answer's body. Read to its end, the connection is kept for the next request; a reader that stops earlier closes
 * it.
 *
 * @throws ApiConnectionError if it breaks off or is aborted.
 */
export async function* responseBody(
  answer: IncomingMessage,
  server: string,
  end: RequestEnd,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of decoded(answer, server)) {
      if (end.reason !== undefined) throw end.reason;
      yield chunk;
    }
    // An answer that has arrived completely ends normally, even if it was aborted before it was read.
    if (end.reason !== undefined) throw end.reason;
  } catch (error) {
    throw end.reason ?? connectionError(server, error);
  } finally {
    if (!answer.readableEnded) answer.destroy();
    end.release();
  }
}

/**
 * Requests ask for `identity`, but a proxy may still compress. Every member of gzip is read as it arrives: a watch may
 * have one for each flush. The reader bounds the result's size.
 */
function decoded(answer: IncomingMessage, server: string): AsyncIterable<Buffer> {
  const coding = answer.headers['content-encoding']?.trim().toLowerCase() ?? '';
  if (coding === '' || coding === 'identity') return answer;
  if (coding !== 'gzip' && coding !== 'x-gzip') {
    throw new ApiConnectionError(
      `${server}: the answer is compressed as ${JSON.stringify(oneLine(coding, 40))}, which was not asked for`,
    );
  }
  // Errors of the answer reach the reader through it.
  return pipeline(answer, createGunzip({ flush: constants.Z_SYNC_FLUSH }), () => undefined);
}
