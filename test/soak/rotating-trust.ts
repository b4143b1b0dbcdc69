import { setTimeout } from 'node:timers/promises';
import { Expected, graceMs } from './expected.js';

export interface RotatingTrustOptions<Key> {
  readonly first: Key;
  readonly make: () => Promise<Key>;
  /** Has the filter trust these, and nothing else. */
  readonly publish: (trusted: readonly Key[]) => void;
}

/**
 * What a file says is to be trusted, over the times that it changes: both, then the new one alone. One scraper changes
 * over in time and is never refused; another is late, and refused until he does.
 */
export class RotatingTrust<Key> {
  readonly late = new Expected(200);
  #current: Key;
  #ofLate: Key;

  constructor(private readonly options: RotatingTrustOptions<Key>) {
    const { first, publish } = options;
    publish([first]);
    this.#current = first;
    this.#ofLate = first;
  }

  get current(): Key {
    return this.#current;
  }

  get ofLate(): Key {
    return this.#ofLate;
  }

  async rotate(signal: AbortSignal): Promise<void> {
    const { make, publish } = this.options;
    const next = await make();
    publish([this.#current, next]);
    await setTimeout(graceMs, undefined, { signal });
    this.#current = next;
    // What was sent before with the old one has its answer by then.
    await setTimeout(graceMs / 2, undefined, { signal });
    await this.late.turnsTo(401, () => {
      publish([next]);
    });
    await setTimeout(1.5 * graceMs, undefined, { signal });
    await this.late.turnsTo(200, () => {
      this.#ofLate = next;
    });
  }
}
