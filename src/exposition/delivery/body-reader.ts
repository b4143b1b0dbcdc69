import type { Laggard } from './hold-up.js';

/** What a reader asks of the body that it shares. */
export interface ReadBody {
  /** Answers `reader` with `give`, `finish` or `fail`, now or later. */
  read(reader: BodyReader): void;
  /** `reader` will not read any more. */
  leave(reader: BodyReader): Promise<void> | undefined;
}

type Result = IteratorResult<Uint8Array, undefined>;

const over: Result = { done: true, value: undefined };

/** One of those who read a shared body, at a position and a pace of his own. */
export class BodyReader implements AsyncIterableIterator<Uint8Array>, Laggard {
  /** The number of the chunk that is read next. */
  position = 0;
  heldUpMs = 0;
  readonly #body: ReadBody;
  readonly #signal: AbortSignal | undefined;
  #waiting:
    { readonly resolve: (result: Result) => void; readonly reject: (error: unknown) => void } | undefined;
  #state: 'reading' | 'over' | { readonly failure: unknown } = 'reading';

  constructor(body: ReadBody, signal: AbortSignal | undefined) {
    this.#body = body;
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort);
  }

  /** Whether a chunk is waited for. */
  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    return new Promise((resolve, reject) => {
      const asked = this.#waiting;
      if (asked !== undefined) {
        reject(new TypeError('the chunk before is still waited for'));
        return;
      }
      this.#waiting = { resolve, reject };
      if (this.#state === 'reading') this.#body.read(this);
      else this.#settle();
    });
  }

  async return(): Promise<Result> {
    const isReading = this.#state === 'reading';
    this.finish();
    if (isReading) await this.#body.leave(this);
    return over;
  }

  give(chunk: Uint8Array): void {
    const asked = this.#waiting;
    this.#waiting = undefined;
    asked?.resolve({ done: false, value: chunk });
  }

  finish(): void {
    if (this.#state === 'reading') this.#endAs('over');
  }

  /** Now, if a chunk is waited for, or at the next. */
  fail(failure: unknown): void {
    if (this.#state === 'reading') this.#endAs({ failure });
  }

  readonly #onAbort = (): void => {
    this.fail(this.#signal?.reason);
    this.#body.leave(this)?.catch(() => undefined);
  };

  #endAs(state: 'over' | { readonly failure: unknown }): void {
    this.#state = state;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#settle();
  }

  #settle(): void {
    const asked = this.#waiting;
    this.#waiting = undefined;
    if (asked === undefined) return;
    if (typeof this.#state === 'object') {
      asked.reject(this.#state.failure);
      this.#state = 'over';
    } else asked.resolve(over);
  }
}
