import { errorClass } from '../../error-class.js';
import { abandon, bodyPieces } from '../body.js';
import { asUpstreamError, NoTenantError, TextFormatError, UpstreamError } from '../exposition-errors.js';
import { isEncoded, type ScrapeRequest } from '../exposition.js';
import { ReadingDeadline } from '../reading-deadline.js';
import { acceptText, expositionFormat } from '../text-format/exposition-format.js';
import type { ExpositionPart } from '../text-format/exposition-part.js';
import { readTextFormat } from '../text-format/text-format-reader.js';
import { HoldingLimitError } from './held-exposition.js';
import type { MemberFailure, MergedMember } from './merging-options.js';

/** A member, and how it was when it was scraped last. One that was absent, or was never asked, may be anything. */
export class KnownMember {
  last: 'sorted' | 'other' | 'absent' = 'other';
  /** For how many more scrapes it is taken for another, whatever it is. */
  #scrapesReadWhole = 0;

  constructor(readonly member: MergedMember) {}

  found(last: KnownMember['last'], readWhole = 0): void {
    this.#scrapesReadWhole = Math.max(this.#scrapesReadWhole - 1, readWhole, 0);
    this.last = this.#scrapesReadWhole > 0 ? 'other' : last;
  }
}

/** One member's exposition, read for one scrape. */
export class MemberScrape {
  failure: MemberFailure | undefined;
  /** From the request to the last byte, or until it failed. */
  seconds = 0;
  /** Whether all of it has come. */
  isRead = false;
  readonly #deadline: ReadingDeadline;
  readonly #started = performance.now();
  #pieces: AsyncIterator<Uint8Array, undefined> | undefined;
  /** Has come and was not taken. */
  #kept: Uint8Array[] = [];
  #bytes = 0;

  /**
   * @param timeoutMs how long the whole exposition may be waited for (ms).
   * @param maxBytes how large it may be, and what its metrics may take in memory.
   */
  constructor(
    readonly known: KnownMember,
    private readonly request: ScrapeRequest,
    private readonly timeoutMs: number,
    readonly maxBytes: number,
  ) {
    this.#deadline = new ReadingDeadline(timeoutMs, request.signal);
  }

  get member(): MergedMember {
    return this.known.member;
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
      if (this.request.signal?.aborted === true || error instanceof NoTenantError) {
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
    this.failure = failureOf(this.member.name, cause, isLate ? this.timeoutMs : undefined);
    return this.failure.error;
  }

  async open(): Promise<void> {
    const { query, user } = this.request;
    const rendering = this.member.exposition.render({
      accept: acceptText,
      acceptEncoding: 'identity',
      timeoutSeconds: this.timeoutMs / 1000,
      query,
      user,
      signal: this.#deadline.signal,
    });
    const rendered = await this.#deadline.unlessReached(rendering, abandon);
    const isText = expositionFormat(rendered.contentType) === 'text';
    if (!isText || isEncoded(rendered)) {
      await abandon(rendered);
      throw new UpstreamError(isText ? 'it is encoded' : 'its format is not the text format');
    }
    this.#pieces = this.#deadline.pieces(bodyPieces(rendered));
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
    if (!this.isRead) void this.#pieces?.return?.();
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
    const next = await this.#pieces.next();
    if (next.done === true) {
      this.isRead = true;
      this.#stopClock();
      this.#deadline.release();
      return undefined;
    }
    this.#bytes += next.value.byteLength;
    if (this.#bytes > this.maxBytes) throw new HoldingLimitError(`more than ${this.maxBytes} bytes`);
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
  ) => ({
    member,
    reason,
    error: new UpstreamError(`${member}: ${fault}`, status),
  });
  const error = asUpstreamError(cause);
  if (overMs !== undefined) return failure('timeout', `not whole within ${Math.round(overMs)} ms`, 504);
  if (error instanceof TextFormatError) return failure('malformed', error.message);
  if (error instanceof HoldingLimitError) return failure('too-large', error.message);
  if (error instanceof UpstreamError) {
    return failure(error.status === 504 ? 'timeout' : 'unavailable', error.message, error.status);
  }
  return failure('unavailable', `failed with ${errorClass(error)}`);
}
