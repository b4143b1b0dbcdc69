import { LRUCache } from 'lru-cache';
import { refusalReason, type RefusedRequest } from '../../audit/refusal-reason.js';

export interface CountedRefusal {
  readonly reason: string;
  readonly code: number;
  /** Since this process began to count. */
  readonly count: number;
  /** Milliseconds since the epoch. */
  readonly lastAt: number;
}

/** More than the built-in reasons; an application's authenticators may have any number of names. */
const maxReasons = 32;

/** Counts refused requests by reason; of more than 32 reasons, the least recent are forgotten. */
export class RefusalTally {
  readonly #counted = new LRUCache<string, CountedRefusal>({ max: maxReasons });

  /** `now` in ms since the epoch; default Date.now. */
  constructor(private readonly now: () => number = Date.now) {}

  /** Called at the end of every request. */
  count(request: RefusedRequest): void {
    const reason = refusalReason(request);
    if (reason === undefined) return;
    const { code } = request;
    const key = `${code} ${reason}`;
    const count = (this.#counted.get(key)?.count ?? 0) + 1;
    this.#counted.set(key, { reason, code, count, lastAt: this.now() });
  }

  /** The most recent reason first. */
  get refusals(): readonly CountedRefusal[] {
    return [...this.#counted.values()];
  }
}
