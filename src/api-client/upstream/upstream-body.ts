import type { IncomingMessage } from 'node:http';
import { ApiConnectionError } from '../api-error.js';
import { connectionError } from '../connection-fault.js';
import type { RequestEnd } from '../request-end.js';

export interface UpstreamBodyOptions {
  /** Begins every error's message. */
  readonly address: string;
  readonly stallTimeoutMs: number;
  readonly onBreakOff: ((error: ApiConnectionError) => void) | undefined;
}

/**
 * An answer's body, read no faster than it is asked for. Read to the end, its connection is left for the next
 * request. No generator: one that was never begun would not close the connection.
 */
export class UpstreamBody implements AsyncIterableIterator<Uint8Array> {
  readonly #answer: IncomingMessage;
  readonly #end: RequestEnd;
  readonly #options: UpstreamBodyOptions;
  readonly #chunks: AsyncIterator<Buffer, unknown>;

  constructor(answer: IncomingMessage, end: RequestEnd, options: UpstreamBodyOptions) {
    this.#answer = answer;
    this.#end = end;
    this.#options = options;
    this.#chunks = (answer as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @throws ApiConnectionError where it breaks off, stands still or is ended. */
  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { address, stallTimeoutMs, onBreakOff } = this.#options;
    let stall: ApiConnectionError | undefined;
    // It runs only while the upstream is waited for: a slow reader is not its fault.
    const timer = setTimeout(() => {
      stall = new ApiConnectionError(
        `${address}: sent nothing for ${stallTimeoutMs} ms (ETIMEDOUT)`,
        'ETIMEDOUT',
      );
      this.#answer.destroy(stall);
    }, stallTimeoutMs);
    try {
      const chunk = await this.#chunks.next();
      // What has come as a whole ends like any other, although it was ended before it was read.
      this.#end.signal.throwIfAborted();
      if (chunk.done !== true) return chunk;
    } catch (error) {
      this.#end.release();
      if (this.#end.reason !== undefined) throw this.#end.reason;
      const fault = stall ?? connectionError(address, error);
      onBreakOff?.(fault);
      throw fault;
    } finally {
      clearTimeout(timer);
    }
    this.#end.release();
    return { done: true, value: undefined };
  }

  /** Closes the connection, unless all was read. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#end.release();
    if (!this.#answer.readableEnded) this.#answer.destroy();
    return Promise.resolve({ done: true, value: undefined });
  }
}
