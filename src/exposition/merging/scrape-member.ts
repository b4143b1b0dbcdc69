import { errorClass } from '../../error-class.js';
import { abandon, bodyPieces } from '../body.js';
import { asUpstreamError, NoTenantError, TextFormatError, UpstreamError } from '../exposition-errors.js';
import { isEncoded, type ScrapeRequest } from '../exposition.js';
import { expositionFormat } from '../text-format/exposition-format.js';
import { readTextFormat } from '../text-format/text-format-reader.js';
import { AddedLabels } from './added-labels.js';
import { HeldExposition, HoldingLimitError } from './held-exposition.js';
import type { MemberFailure, MergedMember } from './merging-options.js';

export interface MemberScrape {
  readonly member: MergedMember;
  /** From the question to the last byte, or until it failed. */
  readonly seconds: number;
  readonly result: HeldExposition | MemberFailure;
}

interface MemberBounds {
  /** For the whole exposition (ms). */
  readonly timeoutMs: number;
  readonly maxHeldBytes: number;
}

/** Reads one member's exposition whole. Rejects only where the scraper went away, or is refused. */
export async function scrapeMember(
  member: MergedMember,
  request: ScrapeRequest,
  bounds: MemberBounds,
): Promise<MemberScrape> {
  const started = performance.now();
  const scraped = (result: MemberScrape['result']): MemberScrape => ({
    member,
    seconds: (performance.now() - started) / 1000,
    result,
  });
  const deadline = new MemberDeadline(bounds.timeoutMs, request.signal);
  try {
    return scraped(await readMember(member, request, bounds, deadline));
  } catch (error) {
    if (request.signal?.aborted === true || error instanceof NoTenantError) throw error;
    return scraped(failureOf(member.name, error, deadline.signal.aborted ? bounds.timeoutMs : undefined));
  } finally {
    deadline.release();
  }
}

async function readMember(
  { exposition, labels = {} }: MergedMember,
  { user }: ScrapeRequest,
  { timeoutMs, maxHeldBytes }: MemberBounds,
  deadline: MemberDeadline,
): Promise<HeldExposition> {
  const rendering = exposition.render({
    accept: 'text/plain;version=0.0.4',
    acceptEncoding: 'identity',
    timeoutSeconds: timeoutMs / 1000,
    user,
    signal: deadline.signal,
  });
  const rendered = await deadline.unlessReached(rendering, abandon);
  const isText = expositionFormat(rendered.contentType) === 'text';
  if (!isText || isEncoded(rendered)) {
    await abandon(rendered);
    throw new UpstreamError(isText ? 'it is encoded' : 'its format is not the text format');
  }
  const added = Object.keys(labels).length === 0 ? undefined : new AddedLabels(labels);
  const held = new HeldExposition(maxHeldBytes, added);
  async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of deadline.pieces(bodyPieces(rendered))) {
      held.count(piece.byteLength);
      yield piece;
    }
  }
  for await (const parts of readTextFormat(counted(), { format: 'text' })) {
    for (const part of parts) held.write(part);
  }
  return held;
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
  readonly #timer: NodeJS.Timeout;
  readonly #end: Promise<never>;
  readonly #onAbort = (): void => {
    this.#controller.abort();
  };

  constructor(timeoutMs: number, scraper: AbortSignal | undefined) {
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
      // Not waited for: what hangs may hang here as well.
      if (!isDone) void Promise.resolve(pieces.return?.()).catch(() => undefined);
    }
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#scraper?.removeEventListener('abort', this.#onAbort);
  }
}
