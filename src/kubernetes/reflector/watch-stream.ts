import type { ApiClient } from '../api-client.js';
import type { TimeSlice } from '../../time-slice.js';
import { JsonLines } from './json-lines.js';
import type { ReflectorTiming } from './reflector-timing.js';
import { StreamedAnswer } from './streamed-answer.js';
import { parseWatchEvent, type WatchEvent } from './watch-event.js';

export interface WatchListeners {
  /** Told when bytes have come. */
  readonly onBytes: () => void;
  /** Told when nothing has come for `timing.catchUpMs` and no event is half there. */
  readonly onQuiet: () => void;
}

export interface WatchStreamOptions extends WatchListeners {
  readonly client: ApiClient;
  readonly path: string;
  /** Where the watch begins. */
  readonly query: Readonly<Record<string, string>>;
  /** How long the server is asked to go on (s). */
  readonly seconds: number;
  readonly timing: ReflectorTiming;
  readonly slice: TimeSlice;
  readonly signal: AbortSignal;
  readonly unanswered: Set<StreamedAnswer>;
}

/** What to do after an event: take the next, or leave it where it is. */
export type Next = 'go on' | 'stop';

/** The events of one watch, in their order. */
export class WatchStream {
  readonly #options: WatchStreamOptions;
  readonly #answer: StreamedAnswer;
  readonly #lines = new JsonLines();
  #chunks: AsyncGenerator<Buffer, void, undefined> | undefined;
  /** When the latest bytes came, on `performance`'s clock. */
  #arrivedAt = 0;

  constructor(options: WatchStreamOptions) {
    const { client, path, query, seconds, timing, signal, unanswered, onQuiet } = options;
    this.#options = options;
    this.#answer = new StreamedAnswer({
      client,
      path,
      query: { watch: 'true', allowWatchBookmarks: 'true', timeoutSeconds: String(seconds), ...query },
      signal,
      unanswered,
      headersMs: timing.headersMs,
      silenceMs: seconds * 1000 + timing.watchGraceMs,
      // Only a server that goes on without end gets that far.
      totalMs: seconds * 1000 + 2 * timing.watchGraceMs,
      quiet: {
        afterMs: timing.catchUpMs,
        tell: () => {
          if (!this.#lines.isInLine) onQuiet();
        },
      },
    });
  }

  /** How long the server may say nothing from now on (ms). By default until the watch's end, and some grace. */
  get silenceMs(): number {
    return this.#answer.silenceMs;
  }

  set silenceMs(ms: number) {
    this.#answer.silenceMs = ms;
  }

  /** Who answers; known when it is open. */
  get server(): string {
    return this.#answer.server;
  }

  /** @throws ReflectorFailure for anything but a success. */
  async open(): Promise<void> {
    await this.#answer.open();
    this.#chunks = this.#answer.chunks();
  }

  /**
   * Gives one event after the other to `handle`, with the time its last byte arrived, until that says stop or the
   * server ends the watch; may then be called again to go on. While nobody reads, the server has to wait.
   *
   * @throws ReflectorFailure or MalformedError where the events break off; what `handle` throws.
   */
  async each(handle: (event: WatchEvent, arrivedAt: number) => Next): Promise<'stopped' | 'ended'> {
    const { slice, signal, onBytes } = this.#options;
    for (;;) {
      for (let line = this.#lines.next(); line !== undefined; line = this.#lines.next()) {
        if (handle(parseWatchEvent(line), this.#arrivedAt) === 'stop') return 'stopped';
        if (slice.isOver) await slice.rest();
        signal.throwIfAborted();
      }
      const chunk = await this.#chunks?.next();
      if (chunk === undefined || chunk.done === true) break;
      this.#arrivedAt = performance.now();
      onBytes();
      this.#lines.write(chunk.value);
    }
    this.#lines.end();
    return 'ended';
  }

  async close(): Promise<void> {
    this.#answer.close();
    // Whatever still fails has been told of already.
    await this.#chunks?.return().catch(() => undefined);
  }
}
