import type { ServerProbe } from './server-probe.js';
import type { ReflectorFailure } from '../kubernetes-errors.js';
import type { Clock } from './reflector-options.js';

interface OutageOptions {
  readonly probe: ServerProbe;
  /** The most that an attempt waits after the server was found back (ms): many may have found it at once. */
  readonly spreadMs: number;
  /** Told when the server is found back that was away. */
  readonly onReturn: () => void;
  /** Requests that have no answer yet. */
  readonly unanswered: () => readonly { hangUp(): void }[];
  readonly random: () => number;
  readonly clock: Clock;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

/** How many probes a server has to be away, or silent, for, after it was found back and failed all the same. */
const convincingAbsence = 4;

/**
 * The time in which no watch is followed. Pauses between attempts end when a probe finds the server back: once for
 * each of its answers, so that a server that is there, but fails, is asked no more often than the backoff says.
 */
export class Outage {
  readonly #options: OutageOptions;
  /** The answers that an attempt was made upon. */
  readonly #tried = new Set<string>();
  /** Whether such an attempt was made, and nothing has come of it yet. */
  #hasAttempted = false;
  /** How many probes the server has been away for. */
  #absences = 0;
  /** How many of the latest it has not answered, or with no more than to be left alone. */
  #silences = 0;
  /** Found back since the latest attempt began. */
  #isBack = false;
  /** Whether what had no answer was hung up on: next time, it is waited for. */
  #hasHungUp = false;
  #pause: AbortController | undefined;

  constructor(options: OutageOptions) {
    this.#options = options;
    options.signal.addEventListener(
      'abort',
      () => {
        this.end();
        this.#pause?.abort();
      },
      { once: true },
    );
  }

  /** No watch is followed, or not any more. */
  begin(): void {
    if (!this.#options.signal.aborted) this.#options.probe.follow(this.#heard);
  }

  /** In step, and a watch is followed. */
  end(): void {
    this.#options.probe.leave(this.#heard);
    this.#absences = 0;
    this.#silences = 0;
    this.#hasAttempted = false;
    this.#isBack = false;
    this.#hasHungUp = false;
  }

  /** A watch was followed for some time: what was tried before counts no more. */
  wentWell(): void {
    this.#tried.clear();
  }

  /** After a failed attempt: waits so long, or until the server is found back, but at least as long as it asked for. */
  async pause(delayMs: number, { retryAfterMs = 0 }: ReflectorFailure): Promise<void> {
    const { probe, clock, random, spreadMs, signal } = this.#options;
    if (signal.aborted) return;
    this.begin();
    const notBefore = clock.now() + retryAfterMs;
    probe.leaveAlone(retryAfterMs);
    if (!this.#isBack) {
      this.#hasHungUp = false;
      this.#pause = new AbortController();
      await clock.sleep(delayMs, this.#pause.signal).catch(() => undefined);
      this.#pause = undefined;
    }
    if (!this.#isBack) return;
    const restMs = Math.max(random() * spreadMs, notBefore - clock.now());
    await clock.sleep(restMs, signal).catch(() => undefined);
    this.#hasAttempted = true;
    this.#isBack = false;
  }

  readonly #heard = (answer: string | undefined, isUnready: boolean): void => {
    const enough = this.#hasAttempted ? convincingAbsence : 1;
    const wasSilent = this.#silences >= enough;
    this.#silences = answer === undefined && !isUnready ? this.#silences + 1 : 0;
    if (answer === undefined) {
      this.#absences += 1;
      if (this.#absences >= enough) this.#tried.clear();
      // One that has just come up may serve lists before it calls itself ready.
      if (isUnready && wasSilent) this.#wake();
      return;
    }
    const wasAway = this.#absences > 0;
    this.#absences = 0;
    if (this.#tried.has(answer)) return;
    this.#tried.add(answer);
    if (wasAway) this.#options.onReturn();
    if (this.#pause === undefined && wasAway) void this.#hangUp();
    this.#wake();
  };

  #wake(): void {
    this.#isBack = true;
    this.#pause?.abort();
  }

  /** What was asked while the server was away may wait for an answer that never comes. */
  async #hangUp(): Promise<void> {
    const { clock, random, spreadMs, unanswered, signal } = this.#options;
    if (this.#hasHungUp) return;
    this.#hasHungUp = true;
    const hanging = unanswered();
    await clock.sleep(random() * spreadMs, signal).catch(() => undefined);
    for (const request of hanging) request.hangUp();
  }
}
