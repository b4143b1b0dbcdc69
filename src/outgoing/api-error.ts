import { oneLine } from './one-line.js';

/** No answer came, or it broke off. The message is one line and begins with the server. */
export class ApiConnectionError extends Error {
  override readonly name = 'ApiConnectionError';
  readonly code = 'ERR_API_CONNECTION';

  constructor(
    message: string,
    /** Of the error below, such as `ECONNREFUSED`. That error itself is left out: some carry credentials. */
    readonly causeCode?: string,
  ) {
    super(message);
  }
}

/** An answer that is no success. */
export class ApiStatusError extends Error {
  override readonly name = 'ApiStatusError';
  readonly code = 'ERR_API_STATUS';
  /** Of the Status object, such as `Forbidden`; undefined where the answer has none. */
  readonly reason: string | undefined;
  /** How long the server asks to be left alone (ms), at most 5 minutes. */
  readonly retryAfterMs: number | undefined;
  /** Which object it is about: of a 404, what was not found. */
  readonly about: { readonly resource: string; readonly name: string } | undefined;

  /**
   * `statusObject` is the answer's body, parsed (kind Status). Its message becomes this one's, at most 512
   * characters. `retryAfterMs` is that of the header; without it the Status' `details.retryAfterSeconds` counts.
   */
  constructor(
    readonly status: number,
    statusObject?: unknown,
    retryAfterMs?: number,
  ) {
    const { message, reason, details } = membersOf(statusObject);
    super(typeof message === 'string' && message !== '' ? oneLine(message) : `status ${status}`);
    this.reason = typeof reason === 'string' && /^[A-Za-z]{1,64}$/.test(reason) ? reason : undefined;
    this.retryAfterMs = retryAfterMs ?? detailedRetryAfterMs(details);
    // The resource's name, such as clusterroles, for all that the field is called.
    const { kind, name } = membersOf(details);
    this.about = typeof kind === 'string' && typeof name === 'string' ? { resource: kind, name } : undefined;
  }
}

/** A success whose content cannot be used: larger than allowed, or no JSON. */
export class ApiContentError extends Error {
  override readonly name = 'ApiContentError';
  readonly code = 'ERR_API_CONTENT';
}

/** The longest that a server may ask for. */
export const maxRetryAfterMs = 300_000;

function detailedRetryAfterMs(details: unknown): number | undefined {
  const { retryAfterSeconds } = membersOf(details);
  return typeof retryAfterSeconds === 'number' && retryAfterSeconds > 0
    ? Math.min(retryAfterSeconds * 1000, maxRetryAfterMs)
    : undefined;
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
