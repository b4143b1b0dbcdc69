/** When an exposition is no longer waited for: its time is over, or the scraper went away. */
export class ReadingDeadline {
  readonly #controller = new AbortController();
  readonly #scraper: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #end: Promise<never>;
  readonly #onAbort = (): void => {
    this.#controller.abort();
  };

  constructor(timeoutMs: number, scraper?: AbortSignal) {
    this.#scraper = scraper;
    this.#end = new Promise((_, reject) => {
      this.signal.addEventListener(
        'abort',
        () => {
          reject(new Error('not waited for any more'));
        },
        { once: true },
      );
    });
    this.#end.catch(() => undefined);
    this.#timer = setTimeout(this.#onAbort, timeoutMs);
    if (scraper?.aborted === true) this.#onAbort();
    else scraper?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The same as `work`, but rejects as soon as the end comes; what comes later is given to `discard`. */
  async unlessReached<T>(work: Promise<T>, discard: (late: T) => unknown): Promise<T> {
    try {
      return await Promise.race([work, this.#end]);
    } catch (error) {
      work.then(discard).catch(() => undefined);
      throw error;
    }
  }

  /** The pieces of a body, which is closed when the end comes. */
  async *pieces(
    body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    if (!(Symbol.asyncIterator in body)) {
      yield* body;
      return;
    }
    const pieces = body[Symbol.asyncIterator]();
    let isDone = false;
    try {
      for (;;) {
        this.signal.throwIfAborted();
        const next = await Promise.race([pieces.next(), this.#end]);
        isDone = next.done === true;
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      // Not awaited: closing may hang as well.
      if (!isDone) void Promise.resolve(pieces.return?.()).catch(() => undefined);
    }
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#scraper?.removeEventListener('abort', this.#onAbort);
  }
}
