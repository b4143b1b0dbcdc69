import { Backoff } from '../../outgoing/backoff.js';

export interface ReviewOutageOptions {
  /** Milliseconds that only go forward; default performance.now. */
  readonly now?: () => number;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** Leave to ask one question. Exactly one of its functions has to be called, once. */
export interface Admission {
  /** The one question that finds out whether an outage is over. */
  readonly isProbe: boolean;
  /** The server is there, whatever it says. */
  readonly answered: () => void;
  /** `reason` is told to those who are not let through, and holds nothing of the question. */
  readonly failed: (reason: string, retryAfterMs?: number) => void;
}

interface Outage {
  readonly reason: string;
  readonly pauseUntil: number;
}

/** One question in this time (ms) is no burden to any server, whatever its Retry-After says. */
const maxPauseMs = 5000;

/**
 * Remembers that a server does not answer, so that not every question has to find it out by waiting: after a failure
 * one question at a time is let through, behind a pause that grows from a quarter of a second to five.
 */
export class ReviewOutage {
  readonly #now: () => number;
  readonly #backoff: Backoff;
  #outage: Outage | undefined;
  #isProbing = false;

  constructor({ now = () => performance.now(), random = Math.random }: ReviewOutageOptions = {}) {
    this.#now = now;
    this.#backoff = new Backoff({ baseMs: 250, capMs: maxPauseMs, random });
  }

  /** Why the last question failed; undefined when it was answered. */
  get reason(): string | undefined {
    return this.#outage?.reason;
  }

  /** Undefined where the question is not to be asked now. */
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
        // Many may have been under way when it began: that is one failure.
        if (this.#outage !== before) return;
        const pauseMs = Math.min(this.#backoff.next(retryAfterMs), maxPauseMs);
        this.#outage = { reason, pauseUntil: this.#now() + pauseMs };
      },
    };
  }
}
