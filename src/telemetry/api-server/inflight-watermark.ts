const windowMs = 1000;

/**
 * How many requests were in flight at most in the last second, as Kubernetes tells it: a scrape would miss
 * what comes and goes between two. Keeps the maximum of this second and of the one before, without a timer.
 */
export class InflightWatermark {
  #inflight = 0;
  #windowStart = 0;
  #peak = 0;
  #peakBefore = 0;

  /** `now` in ms of a clock that never goes back. */
  rise(now: number): void {
    this.#roll(now);
    this.#inflight += 1;
    this.#peak = Math.max(this.#peak, this.#inflight);
  }

  fall(now: number): void {
    this.#roll(now);
    this.#inflight -= 1;
  }

  peak(now: number): number {
    this.#roll(now);
    return Math.max(this.#peak, this.#peakBefore);
  }

  #roll(now: number): void {
    const elapsed = now - this.#windowStart;
    if (elapsed < windowMs) return;
    this.#peakBefore = elapsed < 2 * windowMs ? this.#peak : this.#inflight;
    this.#peak = this.#inflight;
    this.#windowStart = now;
  }
}
