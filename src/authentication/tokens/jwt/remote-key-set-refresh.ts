import { Backoff } from '../../../outgoing/backoff.js';

export interface RemoteKeySetRefreshOptions {
  /** One download, which the signal ends. Rejects with an error whose message is for the operator. */
  readonly download: (signal: AbortSignal) => Promise<void>;
  /** Told how each download ended, until `close`. */
  readonly onEnd: (failure: string | undefined) => void;
  /** How long after a success the next download begins (ms), with a jitter of a tenth. */
  readonly everyMs: number;
  /** How far apart downloads are that were asked for (ms). */
  readonly askedEveryMs: number;
  /** How long after its start anyone waits for a download (ms). */
  readonly waitMs: number;
}

/** The first pause after a failure and the longest (ms), each cut short by chance. */
const pauses = { baseMs: 1_000, capMs: 60_000 };

/** Downloads in the background, one at a time: at once, then in intervals, after failures sooner, and when asked. */
export class RemoteKeySetRefresh {
  readonly #options: RemoteKeySetRefreshOptions;
  readonly #backoff = new Backoff(pauses);
  readonly #closing = new AbortController();
  #next: NodeJS.Timeout | undefined;
  /** Of the download under way: its end, or the moment when nobody waits for it any longer. */
  #waitable: Promise<void> | undefined;
  #askedAt = -Infinity;

  constructor(options: RemoteKeySetRefreshOptions) {
    this.#options = options;
    this.#start();
  }

  /**
   * Begins a download unless one is under way, or was asked for shortly before. Resolves when the one under way
   * has ended, or has been waited for long enough; undefined where there is none.
   */
  ask(): Promise<void> | undefined {
    const now = performance.now();
    if (this.#waitable === undefined && now - this.#askedAt >= this.#options.askedEveryMs) {
      this.#askedAt = now;
      this.#start();
    }
    return this.#waitable;
  }

  /** Ends the download under way, and begins no other. */
  close(): void {
    this.#closing.abort();
    clearTimeout(this.#next);
  }

  #start(): void {
    clearTimeout(this.#next);
    const { signal } = this.#closing;
    if (signal.aborted) return;
    let waited: NodeJS.Timeout | undefined;
    const longEnough = new Promise<void>((resolve) => {
      waited = setTimeout(resolve, this.#options.waitMs).unref();
    });
    const end = this.#download(signal).finally(() => {
      clearTimeout(waited);
      this.#waitable = undefined;
    });
    this.#waitable = Promise.race([end, longEnough]);
  }

  async #download(signal: AbortSignal): Promise<void> {
    let failure: string | undefined;
    try {
      await this.#options.download(signal);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    if (signal.aborted) return;
    this.#plan(failure === undefined);
    this.#options.onEnd(failure);
  }

  #plan(hasSucceeded: boolean): void {
    if (hasSucceeded) this.#backoff.reset();
    const jitter = 0.9 + 0.2 * Math.random();
    const delayMs = hasSucceeded ? this.#options.everyMs * jitter : this.#backoff.next();
    this.#next = setTimeout(() => {
      this.#start();
    }, delayMs).unref();
  }
}
