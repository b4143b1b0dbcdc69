import type { ServerResponse } from 'node:http';
import { breakOff, isClosed } from '../middleware.js';
import { TimeSlice } from '../../time-slice.js';
import { largestTimerDelayMs } from '../../timer.js';
import { createReadStream } from 'node:fs';
import type { Socket } from 'node:net';

/** Checks of an answer within its timeout. */
const checks = 8;
/** After this many checks without progress, the kernel's send queue is read. */
const patientChecks = 2;
/** What a client must read within the timeout (bytes). */
const minBytes = 64 * 1024;

interface WriteDeadlineOptions {
  /** How long a client may read less than 64 KiB of the available bytes (ms). */
  readonly timeoutMs: number;
  /** Maximum time to send an answer (ms); 0: no limit. Default 0. */
  readonly totalMs?: number;
  readonly onCut?: () => void;
  /** Default: those of the kernel. */
  readonly queues?: typeof sendQueues;
}

interface Sending {
  readonly response: ServerResponse;
  /** Its index among all; undefined once it is over. */
  at: number | undefined;
  readonly begun: number;
  /** Start of the time in which less than `minBytes` were taken (ms, monotonic), and the bytes written before it. */
  since: number;
  written: number;
  /** What the other end had acknowledged when the kernel was first asked since then. */
  delivered: number | undefined;
}

/**
 * Cuts off clients that read too slowly, so that they hold up neither a body nor its source.
 * A client that waits because there is nothing to send is left alone, up to the total.
 *
 * Progress is what the socket has passed on. For a client without any, it is what the other end has acknowledged: a full
 * send buffer of some megabytes takes no more before a third of it is empty, however steadily that goes.
 *
 * One timer serves all answers, and answers that are out at once need none.
 */
export class WriteDeadline {
  readonly #timeoutMs: number;
  readonly #totalMs: number;
  readonly #onCut: () => void;
  readonly #queues: typeof sendQueues;
  // No Map: where entries come and go, V8 links each table to the next one, and a table that has become old keeps all that
  // came after it, with its answers, until the next full collection: a fifth of the time of a small scrape.
  readonly #sending: Sending[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isChecking = false;

  /** @throws RangeError unless there is some time. */
  constructor(options: WriteDeadlineOptions) {
    const { timeoutMs, totalMs = 0, onCut = () => undefined, queues = sendQueues } = options;
    const isDelay = (ms: number): boolean => ms >= 0 && ms <= largestTimerDelayMs;
    if (timeoutMs === 0 || !isDelay(timeoutMs) || !isDelay(totalMs)) {
      throw new RangeError('a write deadline must be a positive number of milliseconds');
    }
    this.#timeoutMs = timeoutMs;
    this.#totalMs = totalMs === 0 ? Infinity : totalMs;
    this.#onCut = onCut;
    this.#queues = queues;
  }

  get watched(): number {
    return this.#sending.length;
  }

  /** Watches an answer until it is closed; call it when its body is being written. */
  watch(response: ServerResponse): void {
    if (isClosed(response) || (response.writableEnded && response.writableLength === 0)) return;
    const now = performance.now();
    const written = writtenOf(response);
    const at = this.#sending.length;
    const sending: Sending = { response, at, begun: now, since: now, written, delivered: undefined };
    this.#sending.push(sending);
    response.once('close', () => {
      this.#forget(sending);
    });
    const check = (): void => {
      void this.#check();
    };
    this.#timer ??= setInterval(check, Math.min(this.#timeoutMs, this.#totalMs) / checks).unref();
  }

  /** The last one takes its place. */
  #forget(sending: Sending): void {
    const { at } = sending;
    if (at === undefined) return;
    sending.at = undefined;
    const last = this.#sending.pop();
    if (last === undefined || last === sending) return;
    last.at = at;
    this.#sending[at] = last;
  }

  async #check(): Promise<void> {
    // Not after each answer, since on a busy server the next one comes soon.
    if (this.#sending.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      const slow = await this.#checkAll();
      if (slow.length > 0) await this.#checkDelivered(slow);
    } finally {
      this.#isChecking = false;
    }
  }

  /** In slices, since thousands may be cut at once. Returns those whose progress only the kernel may know. */
  async #checkAll(): Promise<readonly Sending[]> {
    const now = performance.now();
    const slow: Sending[] = [];
    const slice = new TimeSlice().begin();
    for (const sending of [...this.#sending]) {
      if (slice.isOver) await slice.rest();
      if (sending.at === undefined) continue;
      const { response } = sending;
      const written = writtenOf(response);
      if (now - sending.begun >= this.#totalMs) this.#cut(sending);
      else if (response.writableLength === 0 || written - sending.written >= minBytes) {
        Object.assign(sending, { since: now, written, delivered: undefined });
      } else if (now - sending.since >= (patientChecks * this.#timeoutMs) / checks) slow.push(sending);
    }
    return slow;
  }

  async #checkDelivered(slow: readonly Sending[]): Promise<void> {
    const queues = await this.#queues(new Set(slow.map(({ response }) => connectionOf(response))));
    const now = performance.now();
    const slice = new TimeSlice().begin();
    for (const sending of slow) {
      if (slice.isOver) await slice.rest();
      const { response } = sending;
      if (sending.at === undefined || response.writableLength === 0) continue;
      const written = writtenOf(response);
      const delivered = written - (queues?.get(connectionOf(response)) ?? 0);
      sending.delivered ??= delivered;
      if (delivered - sending.delivered >= minBytes)
        Object.assign(sending, { since: now, written, delivered });
      else if (now - sending.since >= this.#timeoutMs) this.#cut(sending);
    }
  }

  #cut(sending: Sending): void {
    this.#forget(sending);
    breakOff(sending.response);
    this.#onCut();
  }
}

/** Bytes that the connection's socket has passed on. */
function writtenOf({ socket, writableLength }: ServerResponse): number {
  return (socket?.bytesWritten ?? 0) - writableLength;
}

function connectionOf({ socket }: ServerResponse): string {
  return socket === null ? '' : portsOf(socket);
}

/** Those of this network namespace; `/proc/net` may be hidden where these are not. */
const tables = ['/proc/self/net/tcp', '/proc/self/net/tcp6'] as const;

/**
 * Identifies a connection in the kernel's tables. Clients at two addresses may have the same port, and then count as
 * one.
 */
export function portsOf({ localPort = 0, remotePort = 0 }: Pick<Socket, 'localPort' | 'remotePort'>): string {
  return [localPort, remotePort].map((port) => port.toString(16).toUpperCase().padStart(4, '0')).join(':');
}

/**
 * What the kernel holds for each of these connections, since the other end has not acknowledged it (bytes), without those
 * for which it holds nothing. Undefined where that cannot be known: not on Linux, or where /proc is hidden.
 */
export async function sendQueues(
  wanted: ReadonlySet<string>,
): Promise<ReadonlyMap<string, number> | undefined> {
  const queues = new Map<string, number>();
  try {
    for (const table of tables) {
      let rest = '';
      for await (const chunk of createReadStream(table, 'latin1') as AsyncIterable<string>) {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const [, local = '', remote = '', , held = ''] = line.trim().split(/\s+/, 5);
          const ports = `${local.slice(-4)}:${remote.slice(-4)}`;
          const bytes = parseInt(held, 16);
          if (bytes > 0 && wanted.has(ports)) queues.set(ports, (queues.get(ports) ?? 0) + bytes);
        }
      }
    }
  } catch {
    return queues.size > 0 ? queues : undefined;
  }
  return queues;
}
