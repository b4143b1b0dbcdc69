import { Backoff } from '../../outgoing/backoff.js';

export interface ReviewOutageOptions {
  /** Milliseconds that only go forward; default performance.now. */
  readonly now?: () => number;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** Permission to ask one question. Call exactly one of its functions, once. */
export interface Admission {
  /** The one question that finds out whether an outage is over. */
  readonly isProbe: boolean;
  /** The server has answered, with any result. */
  readonly answered: () => void;
  /** `reason` is given to callers that are refused meanwhile, and contains nothing of the question. */
  readonly failed: (reason: string, retryAfterMs?: number) => void;
}

/** One question in this time (ms) burdens no server, whatever its Retry-After says. */
const maxPauseMs = 5000;

/**
 * Remembers that a server does not answer, so that not every question has to wait to find out: after a failure one
 * question at a time is let through, after a pause that grows from a quarter of a second to five seconds.
 */
export class ReviewOutage {
  readonly #now: () => number;
  readonly #backoff: Backoff;
  #outage: { readonly reason: string; readonly pauseUntil: number } | undefined;
  #isProbing = false;

  constructor({ now = () => performance.now(), random = Math.random }: ReviewOutageOptions = {}) {
    this.#now = now;
    this.#backoff = new Backoff({ baseMs: 250, capMs: maxPauseMs, random });
  }

  /** Why the last question failed; undefined when it was answered. */
  get reason(): string | undefined {
    return this.#outage?.reason;
  }

  /** Undefined if the question must not be asked now. */
  admit(): Admission | undefined {
    if (this.#outage === undefined) return this.#admission(false);
    if (this.#isProbing || this.#now() < this.#outage.pauseUntil) return undefined;
    this.#isProbing = true;
    return this.#admission(true);
  }

  #admission(isProbe: boolean): Admission {
    const before = this.#outage;
    const end = (): void => {
      if (isProbe) this.#isProbing = false;
    };
    return {
      isProbe,
      answered: () => {
        end();
        this.#outage = undefined;
        this.#backoff.reset();
      },
      failed: (reason, retryAfterMs) => {
        end();
        // Many questions may have been in progress when the outage began: they are one failure.
        if (this.#outage !== before) return;
        const pauseMs = Math.min(this.#backoff.next(retryAfterMs), maxPauseMs);
        this.#outage = { reason, pauseUntil: this.#now() + pauseMs };
      },
    };
  }
}
