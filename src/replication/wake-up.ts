/** Lets one loop sleep until the earliest of the times that it is to be woken at. */
export class WakeUp {
  #at = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;
  #sleeper: (() => void) | undefined;

  /** Wakes the loop in so many ms at the latest; a loop that is at work does not fall asleep again before. */
  within(ms: number): void {
    const at = performance.now() + ms;
    if (at >= this.#at) return;
    this.cancel();
    this.#at = at;
    this.#timer = setTimeout(() => {
      this.#at = Infinity;
      this.#isDue = true;
      this.#sleeper?.();
    }, ms);
  }

  async next(): Promise<void> {
    if (!this.#isDue) {
      await new Promise<void>((resolve) => {
        this.#sleeper = resolve;
      });
    }
    this.#isDue = false;
  }

  /** Takes back what it is set to. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#at = Infinity;
  }
}
