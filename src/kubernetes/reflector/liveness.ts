import type { Callbacks } from './callbacks.js';
import type { ReflectorSink } from './reflector-sink.js';

/** In ms since the epoch, and never set back while the process runs. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Tells the sink whether it is in step with the server, and since when it is not. */
export class Liveness {
  /** When it was last known to be in step (ms since the epoch); before the first list, when it was begun. */
  #lastSignOfLife = now();
  #isLive = false;
  /** Why it was lost, as it was told. */
  #reason: string | undefined;

  constructor(
    readonly sink: Pick<ReflectorSink<never>, 'live' | 'lost'>,
    readonly callbacks: Callbacks,
  ) {}

  get isLive(): boolean {
    return this.#isLive;
  }

  /** Bytes came on a watch. While it is being caught up with, they say nothing of now. */
  signOfLife(): void {
    if (this.#isLive) this.#lastSignOfLife = now();
  }

  /** Everything has been replaced. */
  live(): void {
    this.#isLive = true;
    this.#reason = undefined;
    this.#lastSignOfLife = now();
    this.callbacks.call(() => {
      this.sink.live();
    });
  }

  /** A watch has nothing more to tell of the past. */
  caughtUp(): void {
    if (!this.#isLive) this.live();
  }

  /** Told once, and again where the reason is another. */
  lost(reason: string): void {
    this.#isLive = false;
    if (reason === this.#reason) return;
    this.#reason = reason;
    this.callbacks.call(() => {
      this.sink.lost(reason, this.#lastSignOfLife);
    });
  }
}
