import { ApiConnectionError } from './api-error.js';

/** When a request ends before its time: its caller says so, or the answer's headers take too long. */
export class RequestEnd {
  readonly #controller = new AbortController();
  readonly #callers: AbortSignal | undefined;
  readonly #onAbort: () => void;
  readonly #deadline: NodeJS.Timeout;
  #reason: ApiConnectionError | undefined;

  constructor(server: string, timeoutMs: number, callers: AbortSignal | undefined) {
    this.#callers = callers;
    this.#onAbort = () => {
      this.#end(new ApiConnectionError(`${server}: the request was aborted (ABORT_ERR)`, 'ABORT_ERR'));
    };
    this.#deadline = setTimeout(() => {
      const message = `${server}: no answer within ${timeoutMs} ms (ETIMEDOUT)`;
      this.#end(new ApiConnectionError(message, 'ETIMEDOUT'));
    }, timeoutMs);
    if (callers?.aborted === true) this.#onAbort();
    else callers?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Undefined until it has come. */
  get reason(): ApiConnectionError | undefined {
    return this.#reason;
  }

  /** The same as `work`, but rejects as soon as the end comes. */
  async unlessReached<T>(work: Promise<T>): Promise<T> {
    const end = new Promise<never>((_, reject) => {
      const onAbort = (): void => {
        reject(new Error('aborted'));
      };
      if (this.signal.aborted) onAbort();
      else this.signal.addEventListener('abort', onAbort, { once: true });
    });
    return Promise.race([work, end]);
  }

  /** From now on only the caller ends it. */
  headersCame(): void {
    clearTimeout(this.#deadline);
  }

  /** Nothing is left to end. */
  release(): void {
    clearTimeout(this.#deadline);
    this.#callers?.removeEventListener('abort', this.#onAbort);
  }

  #end(reason: ApiConnectionError): void {
    this.#reason = reason;
    this.release();
    this.#controller.abort();
  }
}
