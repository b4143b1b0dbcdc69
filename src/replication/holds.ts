import { keyOf, type RootObject } from './root-object.js';

interface Hold {
  readonly until: number;
  readonly resourceVersion: string;
  readonly message: string | undefined;
}

/** Objects that could not be changed, and when they may be tried again. */
export class Holds {
  readonly #holds = new Map<string, Hold>();

  /**
   * Leaves an object alone for so many ms, or until there is a newer one.
   *
   * @returns whether the message, if there is one, is another than that of the hold before.
   */
  hold(object: RootObject, ms: number, message?: string): boolean {
    const before = this.#holds.get(keyOf(object))?.message;
    const { resourceVersion } = object;
    this.#holds.set(keyOf(object), { until: performance.now() + ms, resourceVersion, message });
    return message !== undefined && message !== before;
  }

  /** How long an object has to be left alone still (ms). */
  remainingMs(object: RootObject): number {
    const hold = this.#holds.get(keyOf(object));
    if (hold?.resourceVersion !== object.resourceVersion) return 0;
    return Math.max(0, hold.until - performance.now());
  }

  /** Forgets all but those of which something is still wanted. */
  retain(wanted: ReadonlySet<string>): void {
    for (const key of this.#holds.keys()) {
      if (!wanted.has(key)) this.#holds.delete(key);
    }
  }
}
