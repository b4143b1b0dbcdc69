import { LRUCache } from 'lru-cache';
import type { Decision } from '../authorizer.js';

export interface KnownDecision {
  readonly decision: Decision;
  /** On the clock of whoever keeps it (ms), that moment excluded. */
  readonly validUntil: number;
}

/**
 * The last answer to each question. Allows and all others are bounded apart: somebody who is allowed nothing cannot
 * push out what others are allowed by asking for many paths.
 */
export class KnownDecisions {
  readonly #allows: LRUCache<string, KnownDecision>;
  readonly #others: LRUCache<string, KnownDecision>;

  /** @param limit of each of the two. */
  constructor(limit: number) {
    this.#allows = new LRUCache({ max: limit });
    this.#others = new LRUCache({ max: limit });
  }

  get(key: string): KnownDecision | undefined {
    return this.#allows.get(key) ?? this.#others.get(key);
  }

  set(key: string, known: KnownDecision): void {
    const isAllow = known.decision.decision === 'allow';
    (isAllow ? this.#others : this.#allows).delete(key);
    (isAllow ? this.#allows : this.#others).set(key, known);
  }
}
