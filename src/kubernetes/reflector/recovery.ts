import { Backoff, type BackoffOptions } from '../../outgoing/backoff.js';
import type { ReflectorFailure } from './reflector-failure.js';

/** What a reflector does, also in its words: `watch of /apis/…: 503 ServiceUnavailable`. */
export type Activity = 'list' | 'watch-list' | 'watch';

/** How to go on after a failure. */
export interface Course {
  /** Whether everything has to be listed, rather than watched from where it broke off. */
  readonly relists: boolean;
  /** How long to wait first (ms). */
  readonly delayMs: number;
}

/** Decides how to go on after a failure, which depends on those before it. */
export class Recovery {
  /** Lists cost far more than watches: only lists that fail hold up lists. */
  readonly #backoffs: { readonly list: Backoff; readonly watch: Backoff };
  /** The latest failure was that of a watch that had expired. */
  #hasExpired = false;
  /** From which resourceVersion the last malformed watch had begun to fail. */
  #malformedAt: string | undefined;

  constructor(options: BackoffOptions) {
    this.#backoffs = { list: new Backoff(options), watch: new Backoff(options) };
  }

  /** A watch lasted: what failed before counts no more. */
  wentWell(): void {
    this.#backoffs.list.reset();
    this.#backoffs.watch.reset();
    this.#hasExpired = false;
  }

  /** That watches failed while the server was away says nothing of it now; that lists failed may. */
  serverReturned(): void {
    this.#backoffs.watch.reset();
  }

  /** @param resourceVersion up to which everything is known, where it is. */
  after(failure: ReflectorFailure, activity: Activity, resourceVersion: string | undefined): Course {
    const relists = activity !== 'watch' || this.#isStuck(failure, resourceVersion);
    const backoff = activity === 'watch' ? this.#backoffs.watch : this.#backoffs.list;
    const isExpired = activity === 'watch' && failure.fault === 'expired';
    // Once, that is no failure: a server that was restarted knows no resourceVersion of before.
    const isFirst = isExpired && !this.#hasExpired;
    this.#hasExpired = isExpired;
    return { relists, delayMs: isFirst ? backoff.first() : backoff.next(failure.retryAfterMs) };
  }

  /** Whether a watch from there would fail again. */
  #isStuck({ fault, status }: ReflectorFailure, resourceVersion: string | undefined): boolean {
    if (fault === 'expired') return true;
    // The server cannot read the resourceVersion, which then is of another server.
    if (status === 400 || status === 422) return true;
    if (fault !== 'malformed') return false;
    // Once, it may have been broken on the way.
    const isAgain = this.#malformedAt === resourceVersion;
    this.#malformedAt = isAgain ? undefined : resourceVersion;
    return isAgain;
  }
}
