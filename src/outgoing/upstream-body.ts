import type { IncomingMessage } from 'node:http';
import { ApiConnectionError, connectionError } from './outgoing-errors.js';
import type { RequestEnd } from './request-end.js';

interface UpstreamBodyOptions {
  /** Begins every error's message. */
  readonly address: string;
  readonly stallTimeoutMs: number;
  readonly onBreakOff: ((error: ApiConnectionError) => void) | undefined;
  /** The body's size (bytes), if known in advance. */
  readonly contentLength: number | undefined;
}

type Result = IteratorResult<Uint8Array, undefined>;

interface Waiting {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
  /** Runs only while waiting for the upstream: a slow reader does not count against it. */
  readonly stall: NodeJS.Timeout;
}

/** How much is read ahead and passed on as one chunk (bytes): few large writes cost TLS less than many. */
const chunkBytes = 256 * 1024;

/**
 * After so many reads another turn of the event loop begins: each takes its time, however few bytes it has, and thousands
 * of tiny chunks arrive at once. Honest ones are megabytes together.
 */
const readsPerTurn = 256;

const over: Result = { done: true, value: undefined };

/**
 * An answer's body, read at most one chunk ahead. Read to the end, its connection is kept for the next request. Not a
 * generator, since one that was never started would not close the connection, nor Node's own iterator of streams, which
 * passes on every small read of the socket.
 */
export class UpstreamBody implements AsyncIterableIterator<Uint8Array> {
  #state: 'not begun' | 'reading' | 'read' | 'over' = 'not begun';
  #fault: ApiConnectionError | undefined;
  #waiting: Waiting | undefined;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Bytes still to be passed on; Infinity if unknown. */
  #leftBytes: number;
  #isTurnAwaited = false;
  #reads = 0;
  /** Whether nothing is read before the next turn of the event loop. */
  #isResting = false;

  constructor(
    private readonly answer: IncomingMessage,
    private readonly end: RequestEnd,
    private readonly options: UpstreamBodyOptions,
  ) {
    this.#leftBytes = options.contentLength ?? Infinity;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** One call at a time. @throws ApiConnectionError if it breaks off, stalls or is aborted. */
  next(): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject, stall: setTimeout(this.#onStall, this.options.stallTimeoutMs) };
      if (this.#state === 'not begun') this.#begin();
      if (!this.#settle(true) && !this.#isResting) this.answer.resume();
    });
  }

  /** Closes the connection, unless everything was read. */
  return(): Promise<Result> {
    this.#close();
    this.#settle();
    return Promise.resolve(over);
  }

  #begin(): void {
    this.#state = 'reading';
    const answer = this.answer;
    // It may have broken off already, which Node reports only once.
    if (answer.destroyed) this.#breakOff(answer.errored);
    answer.on('data', this.#onData);
    answer.once('end', () => {
      if (this.#state === 'reading') this.#state = 'read';
      this.end.release();
      this.#settle();
    });
    answer.once('error', (error) => {
      this.#breakOff(error);
    });
    answer.once('close', () => {
      this.#breakOff(null);
    });
  }

  readonly #onData = (data: Buffer): void => {
    this.#held.push(data);
    this.#heldBytes += data.byteLength;
    this.#reads += 1;
    if (this.#reads % readsPerTurn === 0) this.#rest();
    if (this.#waiting === undefined) {
      if (this.#heldBytes >= chunkBytes) this.answer.pause();
      return;
    }
    this.#waiting.stall.refresh();
    if (this.#settle() || this.#isTurnAwaited || this.#leftBytes !== Infinity) return;
    // More may arrive in the same turn of the event loop.
    this.#isTurnAwaited = true;
    setImmediate(() => {
      this.#isTurnAwaited = false;
      this.#settle(true);
    });
  };

  #rest(): void {
    this.#isResting = true;
    this.answer.pause();
    setImmediate(() => {
      this.#isResting = false;
      if (this.#waiting !== undefined) this.answer.resume();
    });
  }

  readonly #onStall = (): void => {
    const { address, stallTimeoutMs } = this.options;
    this.#fault = new ApiConnectionError(
      `${address}: sent nothing for ${stallTimeoutMs} ms (ETIMEDOUT)`,
      'ETIMEDOUT',
    );
    this.answer.destroy();
    this.#settle();
  };

  #breakOff(error: unknown): void {
    if (this.#state !== 'reading') return;
    const cause = error ?? Object.assign(new Error('closed'), { code: 'ECONNRESET' });
    this.#fault ??= connectionError(this.options.address, cause);
    this.#settle();
  }

  /** Settles the waiting call, if possible. Returns whether none waits any more. */
  #settle(isTurnOver = false): boolean {
    const waiting = this.#waiting;
    if (waiting === undefined) return true;
    const outcome = this.#outcome(isTurnOver);
    if (outcome === undefined) return false;
    this.#waiting = undefined;
    clearTimeout(waiting.stall);
    if (outcome instanceof Error) waiting.reject(outcome);
    else waiting.resolve(outcome);
    return true;
  }

  /** The result so far: less than a chunk only if it is the last, or nothing more arrives in this turn. */
  #outcome(isTurnOver: boolean): Result | Error | undefined {
    if (this.#state === 'over') return over;
    const fault = this.end.reason ?? this.#fault;
    if (fault !== undefined) {
      if (this.end.reason === undefined) this.options.onBreakOff?.(fault);
      this.#close();
      return fault;
    }
    if (this.#heldBytes > 0) {
      const isEnough = this.#heldBytes >= Math.min(chunkBytes, this.#leftBytes);
      const isAll = this.#state === 'read' || (isTurnOver && this.#leftBytes === Infinity);
      return isEnough || isAll ? { done: false, value: this.#taken() } : undefined;
    }
    if (this.#state !== 'read') return undefined;
    this.#state = 'over';
    return over;
  }

  #taken(): Uint8Array {
    const held = this.#held;
    const [first] = held;
    const chunk = first !== undefined && held.length === 1 ? first : Buffer.concat(held, this.#heldBytes);
    this.#leftBytes -= this.#heldBytes;
    this.#held = [];
    this.#heldBytes = 0;
    return chunk;
  }

  #close(): void {
    this.#state = 'over';
    this.#held = [];
    this.#heldBytes = 0;
    this.end.release();
    if (!this.answer.readableEnded) this.answer.destroy();
  }
}
