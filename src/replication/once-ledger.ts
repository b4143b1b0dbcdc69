import type { PatchResult } from './patcher.js';
import type { Change } from './plan.js';
import { keyOf } from './root-object.js';

/** How often in a row patches may fail, and how often an object may change under the hand. */
const maxAttempts = 5;

/** Keeps account of what is to be done once: what is over, and when to give up. */
export class OnceLedger {
  readonly #settled = new Set<string>();
  readonly #conflicts = new Map<string, number>();
  #failures = 0;
  #isComplete = true;
  #surrender: string | undefined;

  /** Whether nothing had to be left undone. */
  get isComplete(): boolean {
    return this.#isComplete && this.#surrender === undefined;
  }

  /** Why the server is not tried any more; undefined while it is. */
  get surrender(): string | undefined {
    return this.#surrender;
  }

  /** Whether a change is over, for better or worse. */
  isSettled({ object }: Change): boolean {
    return this.#settled.has(keyOf(object));
  }

  /** Takes note of what became of a change. @returns whether it is given up after one conflict too many. */
  record({ object }: Change, result: PatchResult): boolean {
    const key = keyOf(object);
    if (result.kind === 'unavailable') {
      this.#failures += 1;
      if (this.#failures >= maxAttempts) this.giveUp(result.message);
      return false;
    }
    this.#failures = 0;
    const isConflict = result.kind === 'conflict';
    if (isConflict) {
      const conflicts = (this.#conflicts.get(key) ?? 0) + 1;
      this.#conflicts.set(key, conflicts);
      if (conflicts < maxAttempts) return false;
    }
    this.#settled.add(key);
    if (isConflict || result.kind === 'refused') this.#isComplete = false;
    return isConflict;
  }

  giveUp(message: string): void {
    this.#surrender ??= message;
  }
}
