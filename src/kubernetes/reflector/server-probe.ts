import type { ApiClient } from '../api-client.js';
import { StreamedAnswer } from './streamed-answer.js';
import { failureOf } from '../kubernetes-errors.js';
import { realClock, type Clock } from './reflector-options.js';

/**
 * Called for each probe with the server's status; undefined if it is down. `isUnready`: it answered with a 5xx that asks
 * for no pause.
 */
type ProbeListener = (answer: string | undefined, isUnready: boolean) => void;

interface ServerProbeOptions {
  readonly client: ApiClient;
  /** Default `Math.random`. */
  readonly random?: () => number;
  readonly clock?: Clock;
}

const path = '/readyz';
/** The time between the starts of two probes (ms); random, so that filters do not ask together. */
const minIntervalMs = 500;
const maxIntervalMs = 1_000;
/** How long the whole of an answer may take (ms). */
const timeoutMs = 1_000;

/**
 * Asks a server whether it is there for as long as there is a listener: one question at a time, however many
 * follow. Any answer of HTTP says that it is, unless it is a 5xx or a 429.
 */
export class ServerProbe {
  readonly #client: ApiClient;
  readonly #random: () => number;
  readonly #clock: Clock;
  readonly #listeners = new Set<ProbeListener>();
  #probing: AbortController | undefined;
  /** When the pause that the server asked for ends, on the clock. */
  #notBefore = 0;

  constructor({ client, random = Math.random, clock = realClock }: ServerProbeOptions) {
    this.#client = client;
    this.#random = random;
    this.#clock = clock;
  }

  /** The first probe comes after a pause: by then, most are no longer needed. */
  follow(listener: ProbeListener): void {
    this.#listeners.add(listener);
    if (this.#probing !== undefined) return;
    this.#probing = new AbortController();
    const { signal } = this.#probing;
    // Ends by its signal alone.
    this.#run(signal).catch(() => undefined);
  }

  /** When the last listener leaves, a probe is aborted. */
  leave(listener: ProbeListener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#probing?.abort();
    this.#probing = undefined;
  }

  /** The server has asked for it. */
  leaveAlone(ms: number): void {
    this.#notBefore = Math.max(this.#notBefore, this.#clock.now() + ms);
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.#pause(signal);
    for (;;) {
      await this.#leaveAlone(signal);
      await Promise.all([this.#ask(signal), this.#pause(signal)]);
    }
  }

  #pause(signal: AbortSignal): Promise<void> {
    return this.#clock.sleep(minIntervalMs + this.#random() * (maxIntervalMs - minIntervalMs), signal);
  }

  async #leaveAlone(signal: AbortSignal): Promise<void> {
    for (;;) {
      // It may ask for more meanwhile.
      const restMs = this.#notBefore - this.#clock.now();
      if (restMs <= 0) return;
      await this.#clock.sleep(restMs, signal);
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const said = await this.#answer(signal);
    signal.throwIfAborted();
    for (const listener of [...this.#listeners]) listener(...said);
  }

  async #answer(signal: AbortSignal): Promise<Parameters<ProbeListener>> {
    const limits = { headersMs: timeoutMs, silenceMs: timeoutMs, totalMs: timeoutMs };
    const probe = new StreamedAnswer({ client: this.#client, path, signal, ...limits, isProbe: true });
    let asksForPause = false;
    await probe
      .during(() => probe.drain())
      .catch((error: unknown) => {
        const { retryAfterMs } = failureOf(error);
        asksForPause = retryAfterMs !== undefined;
        this.leaveAlone(retryAfterMs ?? 0);
      });
    const { status = 0, revision } = probe;
    if (status > 499) return [undefined, !asksForPause];
    if (status === 0 || status === 429) return [undefined, false];
    return [`${status} of kubeconfig ${revision}`, false];
  }
}
