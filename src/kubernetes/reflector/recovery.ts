import { Backoff } from '../../outgoing/backoff.js';
import type { ReflectorFailure } from '../kubernetes-errors.js';
import type { Clock } from './reflector-options.js';
import type { ServerProbe } from './server-probe.js';
import type { Requests } from './streamed-answer.js';

/** What a reflector does, also in its words: `watch of /apis/…: 503 ServiceUnavailable`. */
export type Activity = 'list' | 'watch-list' | 'watch';

/** How to go on after a failure. */
interface Course {
  /** Whether everything has to be listed, rather than watched from where it broke off. */
  readonly relists: boolean;
  /** How long to wait first (ms). */
  readonly delayMs: number;
}

interface RecoveryOptions extends Pick<Requests, 'signal' | 'timing' | 'unanswered'> {
  readonly probe: ServerProbe;
  readonly random: () => number;
  readonly clock: Clock;
}

/** Once an attempt on a returned server has failed, how many probes must miss it before its return counts again. */
const missesAfterFailure = 4;

/**
 * Decides how to go on after a failure, which depends on those before it, and waits. While no watch is followed, a pause
 * ends when a probe finds the server back: once for each of its answers, so that a server that is there, but fails, is
 * asked no more often than the backoff says.
 */
export class Recovery {
  /** Lists cost far more than watches: only lists that fail hold up lists. */
  readonly #backoffs: { readonly list: Backoff; readonly watch: Backoff };
  /** The latest failure was that of a watch that had expired. */
  #hasExpired = false;
  /** The resourceVersion at which the last watch broke that was malformed or told an error. */
  #brokenAt: string | undefined;
  /** The answers to probes that have counted as a return: while the server stays there, none counts twice. */
  readonly #counted = new Set<string>();
  /** Whether an attempt was made on the returned server, and no watch has been followed in step since. */
  #hasTriedReturn = false;
  /** How many probes in a row have found the server away. */
  #absences = 0;
  /** How many probes in a row had no answer, or one that only asks to be left alone. */
  #silences = 0;
  /** Whether the server was found back since the latest attempt began. */
  #isBack = false;
  /** Whether requests without an answer were hung up on since the last pause: the next ones are waited for. */
  #hasHungUp = false;
  #pause: AbortController | undefined;

  constructor(private readonly options: RecoveryOptions) {
    const { timing, random, signal } = options;
    const backoff = { baseMs: timing.backoffBaseMs, capMs: timing.backoffCapMs, random };
    this.#backoffs = { list: new Backoff(backoff), watch: new Backoff(backoff) };
    const onAbort = (): void => {
      this.end();
      this.#pause?.abort();
    };
    signal.addEventListener('abort', onAbort, { once: true });
  }

  /** No watch is followed, or not any more. */
  begin(): void {
    if (!this.options.signal.aborted) this.options.probe.follow(this.#heard);
  }

  /** In step, and a watch is followed. */
  end(): void {
    this.options.probe.leave(this.#heard);
    this.#absences = 0;
    this.#silences = 0;
    this.#hasTriedReturn = false;
    this.#isBack = false;
    this.#hasHungUp = false;
  }

  /** A watch was followed for this long: what was tried, and what failed, before counts no more. */
  lasted(ms: number): void {
    const { shortWatchMs, steadyWatchMs } = this.options.timing;
    if (ms > shortWatchMs) this.#counted.clear();
    if (ms <= steadyWatchMs) return;
    this.#backoffs.list.reset();
    this.#backoffs.watch.reset();
    this.#hasExpired = false;
  }

  /** @param resourceVersion up to which everything is known, where it is. */
  after(failure: ReflectorFailure, activity: Activity, resourceVersion: string | undefined): Course {
    const relists = activity !== 'watch' || this.#noteBreak(failure, resourceVersion);
    const backoff = activity === 'watch' ? this.#backoffs.watch : this.#backoffs.list;
    const isExpired = activity === 'watch' && failure.fault === 'expired';
    // Once, that is no failure: a server that was restarted knows no resourceVersion of before.
    const isFirst = isExpired && !this.#hasExpired;
    this.#hasExpired = isExpired;
    return { relists, delayMs: isFirst ? backoff.first() : backoff.next(failure.retryAfterMs) };
  }

  /** Notes where a watch has failed. Returns whether another from there would fail, too. */
  #noteBreak({ fault, status, isEvent }: ReflectorFailure, resourceVersion: string | undefined): boolean {
    if (fault === 'expired') return true;
    // The server cannot read the resourceVersion, which then is of another server.
    if (status === 400 || status === 422) return true;
    // kcp's cache server tells of an internal error, not of 410, where etcd has compacted what was deleted since then.
    if (fault !== 'malformed' && !(fault === 'status' && isEvent)) return false;
    // Once, it may have been broken on the way.
    const isAgain = this.#brokenAt === resourceVersion;
    this.#brokenAt = isAgain ? undefined : resourceVersion;
    return isAgain;
  }

  /** After a failed attempt: waits so long, or until the server is found back, but at least as long as it asked for. */
  async pause(delayMs: number, { retryAfterMs = 0 }: ReflectorFailure): Promise<void> {
    const { probe, clock, random, timing, signal } = this.options;
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
    const restMs = Math.max(random() * timing.spreadMs, notBefore - clock.now());
    await clock.sleep(restMs, signal).catch(() => undefined);
    this.#hasTriedReturn = true;
    this.#isBack = false;
  }

  readonly #heard = (answer: string | undefined, isUnready: boolean): void => {
    const missesNeeded = this.#hasTriedReturn ? missesAfterFailure : 1;
    const wasSilent = this.#silences >= missesNeeded;
    this.#silences = answer === undefined && !isUnready ? this.#silences + 1 : 0;
    if (answer === undefined) {
      this.#absences += 1;
      if (this.#absences >= missesNeeded) this.#counted.clear();
      // One that has just come up may serve lists before it calls itself ready.
      if (isUnready && wasSilent) this.#wake();
      return;
    }
    const wasAway = this.#absences > 0;
    this.#absences = 0;
    if (this.#counted.has(answer)) return;
    this.#counted.add(answer);
    // That watches failed while the server was away says nothing of it now; that lists failed may.
    if (wasAway) this.#backoffs.watch.reset();
    if (this.#pause === undefined && wasAway) void this.#hangUp();
    this.#wake();
  };

  #wake(): void {
    this.#isBack = true;
    this.#pause?.abort();
  }

  /** What was asked while the server was away may wait for an answer that never comes. */
  async #hangUp(): Promise<void> {
    const { clock, random, timing, unanswered, signal } = this.options;
    if (this.#hasHungUp) return;
    this.#hasHungUp = true;
    const hanging = [...unanswered];
    await clock.sleep(random() * timing.spreadMs, signal).catch(() => undefined);
    for (const request of hanging) request.hangUp();
  }
}
