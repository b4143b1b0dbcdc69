import { Backoff, type BackoffOptions } from '../../outgoing/backoff.js';
import { tell } from '../../tell.js';
import { steadyNow } from '../../timer.js';
import type { ReflectorFailure } from '../kubernetes-errors.js';
import type { ReflectorSink } from './reflector-options.js';

/** What a reflector does, also in its words: `watch of /apis/…: 503 ServiceUnavailable`. */
export type Activity = 'list' | 'watch-list' | 'watch';

/** How to go on after a failure. */
interface Course {
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
  /** The resourceVersion at which the last watch broke that was malformed or told an error. */
  #brokenAt: string | undefined;

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
  #isStuck({ fault, status, isEvent }: ReflectorFailure, resourceVersion: string | undefined): boolean {
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
}

/** Tells the sink whether it is in step with the server, and since when it is not. */
export class Liveness {
  /** When it was last known to be in step (ms since the epoch); before the first list, when it was begun. */
  #lastSignOfLife = steadyNow();
  #isLive = false;
  /** Why it was lost, as it was told. */
  #reason: string | undefined;

  constructor(
    private readonly owner: string,
    private readonly sink: Pick<ReflectorSink<never>, 'live' | 'lost'>,
  ) {}

  get isLive(): boolean {
    return this.#isLive;
  }

  /** Bytes came on a watch. While it is being caught up with, they say nothing of now. */
  signOfLife(): void {
    if (this.#isLive) this.#lastSignOfLife = steadyNow();
  }

  /** Everything has been replaced. */
  live(): void {
    this.#isLive = true;
    this.#reason = undefined;
    this.#lastSignOfLife = steadyNow();
    tell(this.owner, () => {
      this.sink.live();
    });
  }

  /** A watch has nothing more to tell of the past. */
  caughtUp(): void {
    if (!this.#isLive) this.live();
  }

  /** Told once, and again where the reason is another. */
  lost(reason: string): void {
    this.#isLive = false;
    if (reason === this.#reason) return;
    this.#reason = reason;
    tell(this.owner, () => {
      this.sink.lost(reason, this.#lastSignOfLife);
    });
  }
}
