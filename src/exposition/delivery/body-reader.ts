import { setImmediate as nextTurn } from 'node:timers/promises';
import { endOfBody } from '../body.js';

/** What is given out in one turn of the event loop (bytes), and what each answer costs besides its bytes. */
const bytesPerTurn = 4 * 1024 * 1024;
const answerBytes = 64 * 1024;

/**
 * Gives the same bytes to thousands of readers in several turns of the event loop: each encrypts and writes what it has got
 * before anything else has its turn. `give` returns whether the reader got them.
 */
export async function giveInTurns<Reader>(
  readers: Iterable<Reader>,
  bytes: number,
  give: (reader: Reader) => boolean,
): Promise<void> {
  let given = 0;
  for (const reader of readers) {
    if (!give(reader)) continue;
    given += bytes + answerBytes;
    if (given < bytesPerTurn) continue;
    given = 0;
    await nextTurn();
  }
}

/** What a reader needs of the body that it shares. */
export interface ReadBody {
  /** Answers with `give`, `finish` or `fail`, now or later. */
  read(reader: BodyReader): void;
  /** `reader` will not read any more. */
  leave(reader: BodyReader): Promise<unknown> | undefined;
}

type Result = IteratorResult<Uint8Array, undefined>;

/** One reader of a shared body, with its own position and pace. */
export class BodyReader implements AsyncIterableIterator<Uint8Array> {
  /** The number of the chunk that is read next. */
  position = 0;
  /** For how long others have waited for this reader (ms). */
  heldUpMs = 0;
  #waiting:
    { readonly resolve: (result: Result) => void; readonly reject: (error: unknown) => void } | undefined;
  #state: 'reading' | 'over' | { readonly failure: unknown } = 'reading';

  constructor(
    private readonly body: ReadBody,
    private readonly signal: AbortSignal | undefined,
  ) {
    signal?.addEventListener('abort', this.#onAbort);
  }

  /** Whether a chunk is awaited. */
  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#waiting !== undefined) {
        reject(new TypeError('the previous chunk is still awaited'));
        return;
      }
      this.#waiting = { resolve, reject };
      if (this.#state === 'reading') this.body.read(this);
      else this.#settle();
    });
  }

  async return(): Promise<Result> {
    const isReading = this.#state === 'reading';
    this.finish();
    if (isReading) await this.body.leave(this);
    return endOfBody;
  }

  give(chunk: Uint8Array): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({ done: false, value: chunk });
  }

  finish(): void {
    this.#end('over');
  }

  /** Fails the chunk that is awaited, or the next one. */
  fail(failure: unknown): void {
    this.#end({ failure });
  }

  readonly #onAbort = (): void => {
    this.fail(this.signal?.reason);
    this.body.leave(this)?.catch(() => undefined);
  };

  #end(state: 'over' | { readonly failure: unknown }): void {
    if (this.#state !== 'reading') return;
    this.#state = state;
    this.signal?.removeEventListener('abort', this.#onAbort);
    this.#settle();
  }

  #settle(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    if (typeof this.#state === 'object') {
      waiting.reject(this.#state.failure);
      this.#state = 'over';
    } else waiting.resolve(endOfBody);
  }
}

/**
 * Disconnects readers that delay others for longer than `timeoutMs` in total: a reader that takes one chunk just before
 * its time is over still delays others.
 */
export class SlowReaderTimer {
  #since: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param slowest the readers that the others wait for. */
  constructor(
    private readonly timeoutMs: number,
    private readonly slowest: () => readonly BodyReader[],
    private readonly cut: (reader: BodyReader) => void,
  ) {}

  /** Others wait from now on, if they do not yet. */
  start(): void {
    if (this.#since !== undefined) return;
    this.#since = performance.now();
    this.#schedule();
  }

  /** No reader waits any longer: `last`, the last of the slowest, has continued or left. */
  stop(last?: BodyReader): void {
    clearTimeout(this.#timer);
    if (last !== undefined) last.heldUpMs += this.#elapsedMs;
    this.#since = undefined;
  }

  get #elapsedMs(): number {
    return this.#since === undefined ? 0 : performance.now() - this.#since;
  }

  #schedule(): void {
    const longest = Math.max(0, ...this.slowest().map(({ heldUpMs }) => heldUpMs));
    // Timers may fire a fraction of a millisecond early.
    const leftMs = Math.max(1, this.timeoutMs - longest - this.#elapsedMs + 1);
    this.#timer = setTimeout(() => {
      this.#cutSlowest();
    }, leftMs);
    this.#timer.unref();
  }

  #cutSlowest(): void {
    const slowest = this.slowest();
    const tooSlow = slowest.filter(({ heldUpMs }) => heldUpMs + this.#elapsedMs >= this.timeoutMs);
    if (tooSlow.length < slowest.length || tooSlow.length === 0) this.#schedule();
    for (const reader of tooSlow) this.cut(reader);
  }
}
