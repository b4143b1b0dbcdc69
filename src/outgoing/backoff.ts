import { maxRetryAfterMs } from './api-error.js';

export interface BackoffOptions {
  /** The bound of the first delay (ms). Default 250. */
  readonly baseMs?: number;
  /** The bound of every delay that no server asked for (ms). Default 15,000. */
  readonly capMs?: number;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

const minDelayMs = 20;

/**
 * Exponential backoff with full jitter: each delay is drawn from all of its span, and the span doubles with each
 * failure, so that clients that failed together do not come back together.
 */
export class Backoff {
  readonly #baseMs: number;
  readonly #capMs: number;
  readonly #random: () => number;
  #failures = 0;

  constructor({ baseMs = 250, capMs = 15_000, random = Math.random }: BackoffOptions = {}) {
    this.#baseMs = baseMs;
    this.#capMs = capMs;
    this.#random = random;
  }

  /**
   * How long to wait after one more failure (ms): up to `baseMs` doubled for each failure before, at most
   * `capMs`, at least 20. Never less than what a server asked for, of which up to 5 minutes are believed, and a
   * jitter of up to `baseMs` upon that.
   */
  next(retryAfterMs?: number): number {
    const span = Math.min(this.#capMs, this.#baseMs * 2 ** this.#failures);
    this.#failures += 1;
    const delay = Math.max(minDelayMs, this.#upTo(span));
    if (retryAfterMs === undefined) return delay;
    return Math.max(delay, Math.min(retryAfterMs, maxRetryAfterMs) + this.#upTo(this.#baseMs));
  }

  /** What the first failure would wait; this one does not count. */
  first(): number {
    return Math.max(minDelayMs, this.#upTo(Math.min(this.#capMs, this.#baseMs)));
  }

  /** After a success: the next failure is the first again. */
  reset(): void {
    this.#failures = 0;
  }

  /** Above 0, since `random` gives numbers from 0 to just below 1. */
  #upTo(span: number): number {
    return (1 - this.#random()) * span;
  }
}
