import type { PatchFailure } from './annotation.js';
import { keyOf, type RootObject, type Change } from './root-objects.js';

interface Hold {
  readonly until: number;
  readonly resourceVersion: string;
  readonly message: string;
}

interface Additions {
  readonly count: number;
  readonly last: number;
}

/** How often the annotation is added at once before its removal by another party is taken to be meant. */
const patience = 3;
const firstDelayMs = 10_000;
const maxDelayMs = 600_000;
/** Longer than the longest delay, so that a contest ends only where no other party objects any more. */
const forgottenAfterMs = 3_600_000;

/** When each object may be changed again. */
export class ChangeLedger {
  readonly #holds = new Map<string, Hold>();
  /** Of each object that was annotated here lately; the least recent first. */
  readonly #additions = new Map<string, Additions>();

  /**
   * Leaves an object alone for so many ms, or until there is a newer one.
   *
   * @returns whether the message differs from that of the hold before.
   */
  hold(object: RootObject, ms: number, message = ''): boolean {
    const before = this.#holds.get(keyOf(object))?.message;
    const { resourceVersion } = object;
    this.#holds.set(keyOf(object), { until: performance.now() + ms, resourceVersion, message });
    return message !== before;
  }

  /** Releases all objects but those that are still to be changed. */
  retainHolds(changes: readonly Change[]): void {
    const wanted = new Set(changes.map(({ object }) => keyOf(object)));
    for (const key of this.#holds.keys()) if (!wanted.has(key)) this.#holds.delete(key);
  }

  /** Takes note of a change that was made. */
  made({ action, object }: Change): void {
    this.#forgetOldAdditions();
    const key = keyOf(object);
    const count = this.#additions.get(key)?.count ?? 0;
    this.#additions.delete(key);
    if (action === 'add') this.#additions.set(key, { count: count + 1, last: performance.now() });
  }

  /** How long to wait with a change (ms). */
  remainingMs(change: Change): number {
    const hold = this.#holds.get(keyOf(change.object));
    const isHeld = hold?.resourceVersion === change.object.resourceVersion;
    return Math.max(this.contestedMs(change), isHeld ? hold.until - performance.now() : 0);
  }

  /**
   * How long to wait with an addition (ms) because another party removes the annotation. To add it at once, again and
   * again, would be a fight that neither side wins and that never stops writing: each time, the delay is doubled.
   */
  contestedMs({ action, object }: Change): number {
    this.#forgetOldAdditions();
    const additions = this.#additions.get(keyOf(object));
    if (action !== 'add' || additions === undefined || additions.count < patience) return 0;
    const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** (additions.count - patience));
    return Math.max(0, additions.last + delayMs - performance.now());
  }

  #forgetOldAdditions(): void {
    for (const [key, { last }] of this.#additions) {
      if (last + forgottenAfterMs > performance.now()) return;
      this.#additions.delete(key);
    }
  }
}

/** How often in a row patches may fail, and how often an object may change before it could be patched. */
const maxAttempts = 5;

/** Keeps account of what is to be done once: what is over, and when to give up. */
export class OnceLedger {
  /** Whether everything could be done so far. */
  isComplete = true;
  /** Why the server is not tried any more; undefined while it is. */
  fault: string | undefined;
  readonly #settled = new Set<string>();
  readonly #conflicts = new Map<string, number>();
  #failures = 0;

  /** Whether a change was made, or given up. */
  isSettled({ object }: Change): boolean {
    return this.#settled.has(keyOf(object));
  }

  /** Takes note of the result of a patch. @returns whether it is given up after one conflict too many. */
  record({ object }: Change, result: PatchFailure | { readonly kind: 'patched' }): boolean {
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
    if (isConflict || result.kind === 'refused') this.isComplete = false;
    return isConflict;
  }

  giveUp(message: string): void {
    this.fault ??= message;
    this.isComplete = false;
  }
}

/** A function that picks, of the items it is given, those that it was not given the time before. */
export function newSinceLastTime<Item>(
  keyOfItem: (item: Item) => string,
): (items: readonly Item[]) => readonly Item[] {
  let before: ReadonlySet<string> = new Set();
  return (items) => {
    const found = items.filter((item) => !before.has(keyOfItem(item)));
    before = new Set(items.map(keyOfItem));
    return found;
  };
}
