import { errorClass } from '../../error-class.js';
import { abandon, bodyPieces } from '../body.js';
import { asUpstreamError, NoTenantError, TextFormatError, UpstreamError } from '../exposition-errors.js';
import { isEncoded, type ScrapeRequest } from '../exposition.js';
import { expositionFormat } from '../text-format/exposition-format.js';
import type { ExpositionPart } from '../text-format/exposition-part.js';
import { readTextFormat } from '../text-format/text-format-reader.js';
import { HoldingLimitError } from './held-exposition.js';
import type { MemberFailure, MergedMember } from './merging-options.js';

interface MemberBounds {
  /** How long the whole exposition may be waited for (ms). */
  readonly timeoutMs: number;
  /** How large it may be. */
  readonly maxHeldBytes: number;
}

/** One member's exposition, read for one scrape. */
export class MemberScrape {
  failure: MemberFailure | undefined;
  /** From the request to the last byte, or until it failed. */
  seconds = 0;
  /** Whether all of it has come. */
  isRead = false;
  readonly #request: ScrapeRequest;
  readonly #bounds: MemberBounds;
  readonly #deadline: MemberDeadline;
  readonly #started = performance.now();
  #pieces: AsyncIterator<Uint8Array, undefined> | Iterator<Uint8Array, undefined> | undefined;
  /** Has come and was not taken. */
  #kept: Uint8Array[] = [];
  #bytes = 0;
  #isClosed = false;

  constructor(
    readonly member: MergedMember,
    request: ScrapeRequest,
    bounds: MemberBounds,
  ) {
    this.#request = request;
    this.#bounds = bounds;
    this.#deadline = new MemberDeadline(bounds.timeoutMs, request.signal);
  }

  /** Whether it has a body: at least its headers came. */
  get hasBegun(): boolean {
    return this.#pieces !== undefined;
  }

  /**
   * Does something with it; undefined where that fails, and then `failure` says why. Rejects only where the scraper went
   * away, or is refused.
   */
  async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.failure !== undefined) return undefined;
    try {
      return await work();
    } catch (error) {
      if (this.#request.signal?.aborted === true || error instanceof NoTenantError) {
        this.close();
        throw error;
      }
      this.fail(error);
      return undefined;
    }
  }

  /** Closes it for this reason. */
  fail(cause: unknown): UpstreamError {
    const isLate = this.#deadline.signal.aborted;
    this.close();
    this.#stopClock();
    this.failure = failureOf(this.member.name, cause, isLate ? this.#bounds.timeoutMs : undefined);
    return this.failure.error;
  }

  /** Asks for it. */
  async open(): Promise<void> {
    const { timeoutMs } = this.#bounds;
    const rendering = this.member.exposition.render({
      accept: 'text/plain;version=0.0.4',
      acceptEncoding: 'identity',
      timeoutSeconds: timeoutMs / 1000,
      query: this.#request.query,
      user: this.#request.user,
      signal: this.#deadline.signal,
    });
    const rendered = await this.#deadline.unlessReached(rendering, abandon);
    const isText = expositionFormat(rendered.contentType) === 'text';
    if (!isText || isEncoded(rendered)) {
      await abandon(rendered);
      throw new UpstreamError(isText ? 'it is encoded' : 'its format is not the text format');
    }
    const body = bodyPieces(rendered);
    this.#pieces = Symbol.asyncIterator in body ? body[Symbol.asyncIterator]() : body[Symbol.iterator]();
  }

  /** Keeps the next piece; returns how large it is, 0 at the end. */
  async readAhead(): Promise<number> {
    const piece = await this.#next();
    if (piece !== undefined) this.#kept.push(piece);
    return piece?.byteLength ?? 0;
  }

  /** All of it. @throws TextFormatError, HoldingLimitError, or what the exposition fails with. */
  parts(): AsyncGenerator<readonly ExpositionPart[], void, undefined> {
    return readTextFormat(this.#all(), { format: 'text' });
  }

  /** Closes what is not read to its end. */
  close(): void {
    this.#deadline.release();
    this.#kept = [];
    if (this.isRead || this.#isClosed) return;
    this.#isClosed = true;
    // Not waited for: what hangs may hang here as well.
    void Promise.resolve(this.#pieces?.return?.()).catch(() => undefined);
  }

  async *#all(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const piece = this.#kept.shift() ?? (await this.#next());
      if (piece === undefined) return;
      yield piece;
    }
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.isRead || this.#pieces === undefined) return undefined;
    if (this.#isClosed) throw new Error('closed');
    this.#deadline.signal.throwIfAborted();
    const next = await this.#deadline.unlessReached(Promise.resolve(this.#pieces.next()));
    if (next.done === true) {
      this.isRead = true;
      this.#stopClock();
      this.#deadline.release();
      return undefined;
    }
    this.#bytes += next.value.byteLength;
    const { maxHeldBytes } = this.#bounds;
    if (this.#bytes > maxHeldBytes) throw new HoldingLimitError(`more than ${maxHeldBytes} bytes`);
    return next.value;
  }

  #stopClock(): void {
    this.seconds = (performance.now() - this.#started) / 1000;
  }
}

/** `overMs` where its time was over. */
function failureOf(member: string, cause: unknown, overMs: number | undefined): MemberFailure {
  const failure = (
    reason: MemberFailure['reason'],
    fault: string,
    status: UpstreamError['status'] = 502,
  ): MemberFailure => ({ member, reason, error: new UpstreamError(`${member}: ${fault}`, status) });
  const error = asUpstreamError(cause);
  if (overMs !== undefined) return failure('timeout', `not whole within ${Math.round(overMs)} ms`, 504);
  if (error instanceof TextFormatError) return failure('malformed', error.message);
  if (error instanceof HoldingLimitError) return failure('too-large', error.message);
  if (error instanceof UpstreamError) {
    return failure(error.status === 504 ? 'timeout' : 'unavailable', error.message, error.status);
  }
  return failure('unavailable', `failed with ${errorClass(error)}`);
}

/** When a member is no longer waited for: its time is over, or the scraper went away. */
class MemberDeadline {
  readonly #controller = new AbortController();
  readonly #scraper: AbortSignal | undefined;
  /** Ends the wait. No promise that races with every piece: it would keep all of them. */
  #giveUp: (() => void) | undefined;
  /** How long it may still be waited for: time in which it is not read is not its own. */
  #leftMs: number;
  readonly #onAbort = (): void => {
    this.#controller.abort();
    this.#giveUp?.();
  };

  constructor(timeoutMs: number, scraper: AbortSignal | undefined) {
    this.#leftMs = timeoutMs;
    this.#scraper = scraper;
    if (scraper?.aborted === true) this.#onAbort();
    else scraper?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The same as `work`, but rejects as soon as the end comes; what comes later is given to `discard`. */
  async unlessReached<T>(work: Promise<T>, discard?: (late: T) => unknown): Promise<T> {
    const began = performance.now();
    const timer = setTimeout(this.#onAbort, this.#leftMs);
    try {
      return await new Promise((resolve, reject) => {
        this.#giveUp = () => {
          reject(new Error('no longer waited for'));
          work.then(discard).catch(() => undefined);
        };
        if (this.signal.aborted) this.#giveUp();
        work.then(resolve, reject);
      });
    } finally {
      clearTimeout(timer);
      this.#giveUp = undefined;
      this.#leftMs -= performance.now() - began;
    }
  }

  release(): void {
    this.#scraper?.removeEventListener('abort', this.#onAbort);
  }
}
