import { keyOf, type RootObject } from './root-object.js';

/** How often the annotation is added at once before whoever removes it is taken to mean it. */
const patience = 3;
const firstDelayMs = 10_000;
const maxDelayMs = 600_000;
/** Longer than the longest delay, so that a contest ends only where nobody objects any more. */
const forgottenAfterMs = 3_600_000;

interface Additions {
  readonly count: number;
  readonly last: number;
}

/**
 * Whether somebody else removes what is added here. To add it at once, again and again, would be a fight that
 * neither side wins and that never stops writing: each time it is put off for twice as long.
 */
export class Contest {
  /** The least recent first. */
  readonly #additions = new Map<string, Additions>();

  added(object: RootObject): void {
    this.#forgetOld();
    const count = this.#additions.get(keyOf(object))?.count ?? 0;
    this.removed(object);
    this.#additions.set(keyOf(object), { count: count + 1, last: performance.now() });
  }

  /** It was removed here. */
  removed(object: RootObject): void {
    this.#additions.delete(keyOf(object));
  }

  /** How long not to add it again (ms). */
  remainingMs(object: RootObject): number {
    this.#forgetOld();
    const additions = this.#additions.get(keyOf(object));
    if (additions === undefined || additions.count < patience) return 0;
    const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** (additions.count - patience));
    return Math.max(0, additions.last + delayMs - performance.now());
  }

  #forgetOld(): void {
    for (const [key, { last }] of this.#additions) {
      if (last + forgottenAfterMs > performance.now()) return;
      this.#additions.delete(key);
    }
  }
}
