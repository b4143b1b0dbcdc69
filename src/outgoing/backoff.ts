import { maxRetryAfterMs } from './outgoing-errors.js';

export interface BackoffOptions {
  /** The bound of the first delay (ms). Default 250. */
  readonly baseMs?: number;
  /** The bound of every delay (ms), unless a server asks for more. Default 15,000. */
  readonly capMs?: number;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

const minDelayMs = 20;

/**
 * Exponential backoff with full jitter: each delay is random between 0 and a bound that doubles with each failure, so
 * that clients that failed together do not retry together.
 */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #failures = 0;

  constructor({ baseMs = 250, capMs = 15_000, random = Math.random }: BackoffOptions = {}) {
    this.#options = { baseMs, capMs, random };
  }

  /**
   * How long to wait after one more failure (ms): up to `baseMs` doubled for each earlier failure, at most `capMs`, at
   * least 20. Never less than what a server asks for (up to 5 minutes) plus a jitter of up to `baseMs`.
   */
  next(retryAfterMs?: number): number {
    const delay = this.#delayAfter(this.#failures);
    this.#failures += 1;
    if (retryAfterMs === undefined) return delay;
    return Math.max(delay, Math.min(retryAfterMs, maxRetryAfterMs) + this.#upTo(this.#options.baseMs));
  }

  /** The delay of a first failure; this one is not counted. */
  first(): number {
    return this.#delayAfter(0);
  }

  /** Called after a success: the next failure is the first again. */
  reset(): void {
    this.#failures = 0;
  }

  #delayAfter(failures: number): number {
    const { baseMs, capMs } = this.#options;
    return Math.max(minDelayMs, this.#upTo(Math.min(capMs, baseMs * 2 ** failures)));
  }

  /** Above 0, since `random` gives numbers from 0 to just below 1. */
  #upTo(span: number): number {
    return (1 - this.#options.random()) * span;
  }
}

/**
 * What a `Retry-After` header asks for (RFC 9110, 10.2.3: seconds, or a date), from 0 to 5 minutes (ms);
 * undefined for anything else.
 */
export function parseRetryAfter(value: string | undefined, now = Date.now()): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const delay = /^\d+$/.test(text) ? Number(text) * 1000 : dateOf(text) - now;
  return Number.isNaN(delay) ? undefined : Math.min(Math.max(0, delay), maxRetryAfterMs);
}

/** Only with GMT: `Date.parse` accepts all kinds of text, in local time. */
function dateOf(text: string): number {
  return /^[A-Za-z]{3,9}, .* GMT$/.test(text) ? Date.parse(text) : NaN;
}
