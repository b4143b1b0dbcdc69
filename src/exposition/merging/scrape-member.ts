import { ApiConnectionError } from '../../outgoing/outgoing-errors.js';
import { abandon, bodyPieces } from '../body.js';
import { type RenderedExposition, type ScrapeRequest, isEncoded } from '../exposition.js';
import { expositionFormat } from '../text-format/exposition-format.js';
import { UpstreamError, NoTenantError, TextFormatError } from '../exposition-errors.js';
import { AddedLabels } from './added-labels.js';
import { HeldExposition, HoldingLimitError } from './held-exposition.js';
import { MemberDeadline } from './member-deadline.js';
import type { MemberFailure, MergedMember } from './member.js';
import { readTextFormat } from '../text-format/text-format-reader.js';

export interface MemberScrape {
  readonly member: MergedMember;
  /** From the question to the last byte, or until it failed. */
  readonly seconds: number;
  readonly result: HeldExposition | MemberFailure;
}

export interface MemberBounds {
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
  const fault = faultOf(rendered);
  if (fault !== undefined) {
    await abandon(rendered);
    throw new UpstreamError(fault);
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

/** Why it is not even read. */
function faultOf(rendered: RenderedExposition): string | undefined {
  if (expositionFormat(rendered.contentType) !== 'text') return 'its format is not the text format';
  return isEncoded(rendered) ? 'it is encoded' : undefined;
}

/** `overMs` where its time was over. */
function failureOf(member: string, error: unknown, overMs: number | undefined): MemberFailure {
  const failure = (
    reason: MemberFailure['reason'],
    fault: string,
    status: UpstreamError['status'] = 502,
  ): MemberFailure => ({ member, reason, error: new UpstreamError(`${member}: ${fault}`, status) });
  if (overMs !== undefined) return failure('timeout', `not whole within ${Math.round(overMs)} ms`, 504);
  if (error instanceof TextFormatError) return failure('malformed', error.message);
  if (error instanceof HoldingLimitError) return failure('too-large', error.message);
  if (error instanceof UpstreamError) {
    return failure(error.status === 504 ? 'timeout' : 'unavailable', error.message, error.status);
  }
  // In the middle of a body.
  if (error instanceof ApiConnectionError) {
    return error.causeCode === 'ETIMEDOUT'
      ? failure('timeout', error.message, 504)
      : failure('unavailable', error.message);
  }
  return failure('unavailable', `failed with ${error instanceof Error ? error.name : typeof error}`);
}
