/** Somebody who may hold up others. */
export interface Laggard {
  /** For how long he has, so far (ms). */
  heldUpMs: number;
}

/**
 * A clock for those who hold up others. It adds up: who reads one chunk whenever his time is nearly over holds them
 * up all the same.
 */
export class HoldUp<Reader extends Laggard> {
  readonly #timeoutMs: number;
  readonly #slowest: () => readonly Reader[];
  readonly #cut: (laggard: Reader) => void;
  #since: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `slowest`: whom the others wait for; `cut`: what becomes of one who took longer than `timeoutMs`. */
  constructor(timeoutMs: number, slowest: () => readonly Reader[], cut: (laggard: Reader) => void) {
    this.#timeoutMs = timeoutMs;
    this.#slowest = slowest;
    this.#cut = cut;
  }

  /** Others wait from now on, if they do not yet. */
  begin(): void {
    if (this.#since !== undefined) return;
    this.#since = performance.now();
    this.#wait();
  }

  /** Nobody waits for others any more, since `last` has gone on or away. */
  end(last?: Reader): void {
    clearTimeout(this.#timer);
    if (this.#since !== undefined && last !== undefined) last.heldUpMs += performance.now() - this.#since;
    this.#since = undefined;
  }

  #wait(): void {
    const longest = Math.max(0, ...this.#slowest().map(({ heldUpMs }) => heldUpMs));
    const elapsed = performance.now() - (this.#since ?? 0);
    // Timers may be early by a part of a millisecond.
    this.#timer = setTimeout(
      () => {
        this.#ring();
      },
      Math.max(1, this.#timeoutMs - longest - elapsed + 1),
    );
    this.#timer.unref();
  }

  #ring(): void {
    const elapsed = performance.now() - (this.#since ?? 0);
    const slowest = this.#slowest();
    const late = slowest.filter(({ heldUpMs }) => heldUpMs + elapsed >= this.#timeoutMs);
    if (late.length < slowest.length || late.length === 0) this.#wait();
    for (const laggard of late) this.#cut(laggard);
  }
}
