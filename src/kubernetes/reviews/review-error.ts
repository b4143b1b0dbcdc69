import { ApiConnectionError, ApiContentError, ApiStatusError } from '../../outgoing/api-error.js';

export type ReviewFailure =
  /** No answer came in time, or the server has none to give now: a status of 429, or of 500 and above. */
  | 'unavailable'
  /** The answer is another one that is no success. */
  | 'refused'
  /** A success that is no answer to the question. */
  | 'malformed'
  /** Not asked: as many questions as may be are under way. */
  | 'overload'
  /** Not asked: an earlier question has just found nobody. */
  | 'outage'
  /** Not asked, or given up: the client is closed. */
  | 'closed';

interface ReviewErrorDetails {
  /** The message without any text from the answer; default: the message. */
  readonly summary?: string;
  readonly retryAfterMs?: number | undefined;
}

/**
 * A reviewer gave no answer. The message is one line for the operator; what the server says of its refusal is in it,
 * and may quote the question: whoever asked about a secret has to take that out.
 */
export class ReviewError extends Error {
  override readonly name = 'ReviewError';
  readonly code = 'ERR_REVIEW';
  readonly summary: string;
  /** How long the server asks to be left alone (ms). */
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly failure: ReviewFailure,
    message: string,
    { summary = message, retryAfterMs }: ReviewErrorDetails = {},
  ) {
    super(message);
    this.summary = summary;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Why a request to a reviewer has failed. */
export function reviewError(server: string, error: unknown): ReviewError {
  if (error instanceof ReviewError) return error;
  if (error instanceof ApiConnectionError) return new ReviewError('unavailable', error.message);
  if (error instanceof ApiContentError) return new ReviewError('malformed', error.message);
  if (error instanceof ApiStatusError) {
    const { status, message, retryAfterMs } = error;
    const isUnavailable = status === 429 || status >= 500;
    const summary = `${server}: answered ${status}`;
    return new ReviewError(isUnavailable ? 'unavailable' : 'refused', `${summary}: ${message}`, {
      summary,
      retryAfterMs,
    });
  }
  // Nothing is known of it, and so nothing quoted.
  return new ReviewError('unavailable', `${server}: the request failed`);
}
