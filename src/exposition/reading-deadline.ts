import { bodyOf, endOfBody } from './body.js';

/**
 * When an exposition is no longer waited for: its time is over, or the scraper went away. Time in which it is not read is
 * not its own, and is not counted.
 */
export class ReadingDeadline {
  readonly #controller = new AbortController();
  /**
   * Ends the wait. No promise that races with every piece, which would keep all of them; nor a closure, with which V8 keeps
   * each until it collects the whole heap.
   */
  #giveUp: ((error: Error) => void) | undefined;
  readonly #onAbort = (): void => {
    this.#controller.abort();
    this.#giveUp?.(new Error('no longer waited for'));
  };

  /** @param leftMs how long it may still be waited for. */
  constructor(
    private leftMs: number,
    private readonly scraper: AbortSignal | undefined,
  ) {
    if (scraper?.aborted === true) this.#onAbort();
    else scraper?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The same as `work`, but rejects as soon as the end comes; what comes later is given to `discard`. */
  async unlessReached<T>(work: Promise<T>, discard?: (late: T) => unknown): Promise<T> {
    const began = performance.now();
    const timer = setTimeout(this.#onAbort, this.leftMs);
    try {
      return await new Promise((resolve, reject) => {
        this.#giveUp = reject;
        if (this.signal.aborted) this.#onAbort();
        work.then(resolve, reject);
      });
    } catch (error) {
      if (this.signal.aborted) work.then(discard).catch(() => undefined);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#giveUp = undefined;
      this.leftMs -= performance.now() - began;
    }
  }

  /** The pieces of a body, which is closed where it is not read to its end. */
  pieces(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncIterableIterator<Uint8Array> {
    const source = Symbol.asyncIterator in body ? body[Symbol.asyncIterator]() : body[Symbol.iterator]();
    let isClosed = false;
    // Not awaited: closing may hang as well.
    const close = (): Promise<void> => {
      if (!isClosed) void Promise.resolve(source.return?.()).catch(() => undefined);
      isClosed = true;
      return Promise.resolve();
    };
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      try {
        if (isClosed) throw new Error('closed');
        this.signal.throwIfAborted();
        const piece = await this.unlessReached(Promise.resolve(source.next()));
        return piece.done === true ? endOfBody : piece;
      } catch (error) {
        await close();
        throw error;
      }
    };
    return bodyOf(next, close);
  }

  release(): void {
    this.scraper?.removeEventListener('abort', this.#onAbort);
  }
}
