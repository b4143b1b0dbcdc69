import type { ServerResponse } from 'node:http';
import { breakOff, isClosed } from '../middleware.js';
import { portsOf, sendQueues } from './send-queues.js';
import { largestTimerDelayMs } from '../../timer.js';

/** How often an answer is looked at within its time. */
const looks = 8;
/** After so many without progress, the kernel is asked what it holds. */
const patientLooks = 2;
/** What a client has to take within the timeout (bytes). */
const minBytes = 64 * 1024;

export interface WriteDeadlineOptions {
  /** How long a client may take less than 64 KiB of what is there for it (ms). */
  readonly timeoutMs: number;
  /** How long an answer may take to be sent in all (ms); 0: no bound. Default 0. */
  readonly totalMs?: number;
  /** Told of each client that is cut. */
  readonly onCut?: () => void;
  /** Default: those of the kernel. */
  readonly queues?: typeof sendQueues;
}

interface Sending {
  readonly begun: number;
  /** Since when less than `minBytes` were taken (ms, monotonic), and what had been until then. */
  since: number;
  written: number;
  /** What the other end had acknowledged when the kernel was first asked since then. */
  delivered: number | undefined;
}

/**
 * Cuts clients that take too little of what is being sent to them, so that they hold neither a body nor whoever makes it.
 * A client that waits because there is nothing to send is left alone, up to the total.
 *
 * Progress is what the socket has been rid of. Of a client that shows none, it is what the other end has acknowledged: a
 * send buffer of some megabytes that is full takes no more before a third of it is empty, however steadily that goes.
 *
 * One timer serves all answers, and answers that are out at once cost none of it.
 */
export class WriteDeadline {
  readonly #timeoutMs: number;
  readonly #totalMs: number;
  readonly #onCut: () => void;
  readonly #queues: typeof sendQueues;
  readonly #sending = new Map<ServerResponse, Sending>();
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;

  /** @throws RangeError unless there is some time. */
  constructor({
    timeoutMs,
    totalMs = 0,
    onCut = () => undefined,
    queues = sendQueues,
  }: WriteDeadlineOptions) {
    if (!(
      timeoutMs > 0 &&
      timeoutMs <= largestTimerDelayMs &&
      totalMs >= 0 &&
      totalMs <= largestTimerDelayMs
    )) {
      throw new RangeError('a write deadline must be a positive number of milliseconds');
    }
    this.#timeoutMs = timeoutMs;
    this.#totalMs = totalMs === 0 ? Infinity : totalMs;
    this.#onCut = onCut;
    this.#queues = queues;
  }

  /** How many answers are looked after. */
  get watched(): number {
    return this.#sending.size;
  }

  /** Looks after an answer until it is closed; call it when its body is being written. */
  watch(response: ServerResponse): void {
    if (isClosed(response) || (response.writableEnded && response.writableLength === 0)) return;
    const now = performance.now();
    this.#sending.set(response, {
      begun: now,
      since: now,
      written: writtenOf(response),
      delivered: undefined,
    });
    response.once('close', () => this.#sending.delete(response));
    this.#timer ??= setInterval(
      () => {
        this.#look();
      },
      Math.min(this.#timeoutMs, this.#totalMs) / looks,
    ).unref();
  }

  #look(): void {
    const now = performance.now();
    const slow: ServerResponse[] = [];
    for (const [response, sending] of this.#sending) {
      const written = writtenOf(response);
      if (now - sending.begun >= this.#totalMs) this.#cut(response);
      else if (response.writableLength === 0 || written - sending.written >= minBytes) {
        Object.assign(sending, { since: now, written, delivered: undefined });
      } else if (now - sending.since >= (patientLooks * this.#timeoutMs) / looks) slow.push(response);
    }
    if (slow.length > 0 && !this.#isAsking) {
      this.#isAsking = true;
      void this.#ask(slow).finally(() => (this.#isAsking = false));
    }
    // Not at each answer's end: the next one comes soon on a busy server.
    if (this.#sending.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #ask(slow: readonly ServerResponse[]): Promise<void> {
    const queues = await this.#queues(new Set(slow.map((response) => connectionOf(response))));
    const now = performance.now();
    for (const response of slow) {
      const sending = this.#sending.get(response);
      if (sending === undefined || response.writableLength === 0) continue;
      const written = writtenOf(response);
      const delivered = written - (queues?.get(connectionOf(response)) ?? 0);
      sending.delivered ??= delivered;
      if (delivered - sending.delivered >= minBytes)
        Object.assign(sending, { since: now, written, delivered });
      else if (now - sending.since >= this.#timeoutMs) this.#cut(response);
    }
  }

  #cut(response: ServerResponse): void {
    this.#sending.delete(response);
    breakOff(response);
    this.#onCut();
  }
}

/** Bytes that the connection's socket has been rid of. */
function writtenOf({ socket, writableLength }: ServerResponse): number {
  return (socket?.bytesWritten ?? 0) - writableLength;
}

function connectionOf({ socket }: ServerResponse): string {
  return socket === null ? '' : portsOf(socket);
}
