import type { ServerResponse } from 'node:http';
import { breakOff, isClosed } from './middleware.js';

/** How often a deadline is looked at within its time. */
const looks = 8;
/** Of setInterval. */
const maxTimeoutMs = 2_147_483_647;

interface Sending {
  /** What the client had taken when last looked at. */
  taken: number;
  /** Since when he has taken no more (ms, monotonic). */
  since: number;
}

/**
 * Cuts clients that take nothing of what is being sent to them, so that they hold neither a body nor whoever makes it.
 * A client that takes little, or waits because there is nothing to send, is left alone. What was written at once
 * counts as taken when all of it is: write long bodies in pieces.
 *
 * One timer serves all answers, and answers that are out at once cost none of it.
 */
export class WriteDeadline {
  readonly #timeoutMs: number;
  readonly #onCut: () => void;
  readonly #sending = new Map<ServerResponse, Sending>();
  #timer: NodeJS.Timeout | undefined;

  /** `onCut`: told of each client that is cut. @throws RangeError unless there is some time. */
  constructor(timeoutMs: number, onCut: () => void = () => undefined) {
    if (!(timeoutMs > 0 && timeoutMs <= maxTimeoutMs)) {
      throw new RangeError('a write deadline must be a positive number of milliseconds');
    }
    this.#timeoutMs = timeoutMs;
    this.#onCut = onCut;
  }

  /** How many answers are looked after. */
  get watched(): number {
    return this.#sending.size;
  }

  /** Looks after an answer until it is closed; call it when its body is being written. */
  watch(response: ServerResponse): void {
    if (isClosed(response) || (response.writableEnded && response.writableLength === 0)) return;
    this.#sending.set(response, { taken: takenOf(response), since: performance.now() });
    response.once('close', () => this.#sending.delete(response));
    this.#timer ??= setInterval(() => {
      this.#look();
    }, this.#timeoutMs / looks).unref();
  }

  #look(): void {
    const now = performance.now();
    for (const [response, sending] of this.#sending) {
      const taken = takenOf(response);
      if (taken !== sending.taken || response.writableLength === 0) {
        sending.taken = taken;
        sending.since = now;
      } else if (now - sending.since >= this.#timeoutMs) {
        this.#sending.delete(response);
        breakOff(response);
        this.#onCut();
      }
    }
    // Not at each answer's end: the next one comes soon on a busy server.
    if (this.#sending.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Bytes that the connection's socket has been rid of. */
function takenOf({ socket, writableLength }: ServerResponse): number {
  return (socket?.bytesWritten ?? 0) - writableLength;
}
