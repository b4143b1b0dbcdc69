import type { PatchFailure } from './annotation.js';
import { keyOf, type RootObject, type Change } from './root-objects.js';

/** How often a removed annotation is added again at once before its removal counts as intended. */
const patience = 3;
const firstDelayMs = 10_000;
const maxDelayMs = 600_000;
/** Longer than the longest delay, so that a contest ends only when no other party removes the annotation. */
const forgottenAfterMs = 3_600_000;

/** When each object may be changed again. */
export class ChangeLedger {
  readonly #holds = new Map<string, { until: number; resourceVersion: string; message: string }>();
  /** The objects annotated recently; the least recent first. */
  readonly #additions = new Map<string, { count: number; last: number }>();

  /**
   * Leaves an object alone for this many ms, or until it changes.
   *
   * @returns whether the message differs from that of the previous hold.
   */
  hold(object: RootObject, ms: number, message = ''): boolean {
    const before = this.#holds.get(keyOf(object))?.message;
    const { resourceVersion } = object;
    this.#holds.set(keyOf(object), { until: performance.now() + ms, resourceVersion, message });
    return message !== before;
  }

  /** Releases all objects except those still to be changed. */
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

  /** How long to wait before a change (ms). */
  remainingMs(change: Change): number {
    const hold = this.#holds.get(keyOf(change.object));
    const isHeld = hold?.resourceVersion === change.object.resourceVersion;
    return Math.max(this.contestedMs(change), isHeld ? hold.until - performance.now() : 0);
  }

  /**
   * How long to wait before adding an annotation that another party keeps removing (ms). Adding it again at once would
   * be an endless fight, so the delay doubles each time.
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

/** For a single run: what is finished, and when to give up. */
export class OnceLedger {
  /** Whether everything has succeeded so far. */
  isComplete = true;
  /** Why the server is no longer tried; undefined while it is. */
  fault: string | undefined;
  readonly #settled = new Set<string>();
  readonly #conflicts = new Map<string, number>();
  #failures = 0;

  /** Whether a change was made, or given up. */
  isSettled({ object }: Change): boolean {
    return this.#settled.has(keyOf(object));
  }

  /** Records the result of a patch. @returns whether to give up because of too many conflicts. */
  record({ object }: Change, failure: PatchFailure | undefined): boolean {
    const key = keyOf(object);
    if (failure?.kind === 'unavailable') {
      this.#failures += 1;
      if (this.#failures >= maxAttempts) this.giveUp(failure.message);
      return false;
    }
    this.#failures = 0;
    const isConflict = failure?.kind === 'conflict';
    if (isConflict) {
      const conflicts = (this.#conflicts.get(key) ?? 0) + 1;
      this.#conflicts.set(key, conflicts);
      if (conflicts < maxAttempts) return false;
    }
    this.#settled.add(key);
    if (isConflict || failure?.kind === 'refused') this.isComplete = false;
    return isConflict;
  }

  giveUp(message: string): void {
    this.fault ??= message;
    this.isComplete = false;
  }
}

/** A function that returns those of its items that were not in its previous call. */
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
