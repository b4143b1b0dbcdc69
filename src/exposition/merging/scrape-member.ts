import { errorClass } from '../../error-class.js';
import { abandon, bodyPieces } from '../body.js';
import { asUpstreamError, NoTenantError, TextFormatError, UpstreamError } from '../exposition-errors.js';
import { isEncoded, type ScrapeRequest } from '../exposition.js';
import { expositionFormat } from '../text-format/exposition-format.js';
import { ReadingDeadline } from '../reading-deadline.js';
import { readTextFormat } from '../text-format/text-format-reader.js';
import { AddedLabels } from './added-labels.js';
import { HeldExposition, HoldingLimitError } from './held-exposition.js';
import type { MemberFailure, MergedMember } from './merging-options.js';

export interface MemberScrape {
  readonly member: MergedMember;
  /** From the request to the last byte, or to the failure. */
  readonly seconds: number;
  readonly result: HeldExposition | MemberFailure;
}

interface MemberBounds {
  /** For the whole exposition (ms). */
  readonly timeoutMs: number;
  readonly maxHeldBytes: number;
}

/** Reads one member's whole exposition. Rejects only if the scraper disconnected or is refused. */
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
  const deadline = new ReadingDeadline(bounds.timeoutMs, request.signal);
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
  deadline: ReadingDeadline,
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

/** `overMs` if its time was over. */
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
