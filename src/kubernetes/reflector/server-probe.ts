import type { ApiClient } from '../api-client.js';
import { StreamedAnswer } from './streamed-answer.js';
import { failureOf } from '../kubernetes-errors.js';
import { realClock } from './reflector-options.js';

/**
 * Called for each probe with the server's status; undefined if it is down. `isUnready`: it answered with a 5xx that asks
 * for no pause.
 */
type ProbeListener = (answer: string | undefined, isUnready: boolean) => void;

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
  readonly #listeners = new Set<ProbeListener>();
  #probing: AbortController | undefined;
  /** When the pause that the server asked for ends, on the clock. */
  #notBefore = 0;

  constructor(
    private readonly client: ApiClient,
    private readonly random = Math.random,
    private readonly clock = realClock,
  ) {}

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

  /** Sends no probe for this long, as the server has asked. */
  leaveAlone(ms: number): void {
    this.#notBefore = Math.max(this.#notBefore, this.clock.now() + ms);
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.#pause(signal);
    for (;;) {
      // It may ask for more meanwhile.
      while (this.clock.now() < this.#notBefore) {
        await this.clock.sleep(this.#notBefore - this.clock.now(), signal);
      }
      await Promise.all([this.#ask(signal), this.#pause(signal)]);
    }
  }

  #pause(signal: AbortSignal): Promise<void> {
    return this.clock.sleep(minIntervalMs + this.random() * (maxIntervalMs - minIntervalMs), signal);
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const limits = { headersMs: timeoutMs, silenceMs: timeoutMs, totalMs: timeoutMs };
    const probe = new StreamedAnswer({ client: this.client, path, signal, ...limits, isProbe: true });
    let pauseMs: number | undefined;
    await probe
      .during(() => probe.drain())
      .catch((error: unknown) => {
        pauseMs = failureOf(error).retryAfterMs;
        this.leaveAlone(pauseMs ?? 0);
      });
    signal.throwIfAborted();
    const { status = 0, revision = 0 } = probe.response ?? {};
    const isThere = status !== 0 && status !== 429 && status < 500;
    const answer = isThere ? `${status} of kubeconfig ${revision}` : undefined;
    const isUnready = status > 499 && pauseMs === undefined;
    for (const listener of [...this.#listeners]) listener(answer, isUnready);
  }
}
