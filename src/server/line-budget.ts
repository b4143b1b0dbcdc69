/** A flood must not become a flood of lines. */
const linesPerSecond = 10;

/** Ten lines in each second of the clock. */
export class LineBudget {
  readonly #now: () => number;
  #second = 0;
  #lines = 0;
  #suppressed = 0;

  /** `now` in ms since the epoch; default Date.now. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** `write` is given the count of lines left out before, if there are any. */
  spend(write: (suppressed: { readonly suppressed?: number }) => void): void {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
    }
    if (this.#lines >= linesPerSecond) {
      this.#suppressed += 1;
      return;
    }
    this.#lines += 1;
    const suppressed = this.#suppressed === 0 ? {} : { suppressed: this.#suppressed };
    this.#suppressed = 0;
    write(suppressed);
  }
}
