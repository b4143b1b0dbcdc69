import type { ApiClient } from '../kubernetes/api-client.js';
import { Backoff } from '../outgoing/backoff.js';
import { requestJson } from '../outgoing/request-json.js';
import { annotationPatch } from './annotation-patch.js';
import { Contest } from './contest.js';
import { Holds } from './holds.js';
import { patchFailureOf, type PatchFailure } from './patch-failure.js';
import type { Change } from './plan.js';
import type { ReplicationEvent } from './replication-event.js';
import type { ReplicatorTiming } from './replicator-timing.js';
import { keyOf } from './root-object.js';
import { StandingNotices } from './standing-notices.js';

export interface PatcherOptions {
  readonly client: ApiClient;
  readonly timing: ReplicatorTiming;
  readonly onEvent: (event: ReplicationEvent) => void;
}

export type PatchResult = { readonly kind: 'patched'; readonly object: unknown } | PatchFailure;

/** Makes changes, each when it is time for it. */
export class Patcher {
  readonly #options: PatcherOptions;
  readonly #backoff: Backoff;
  readonly #holds = new Holds();
  readonly #contest = new Contest();
  readonly #contests = new StandingNotices();
  /** The server is left alone until then. */
  #pausedUntil = 0;
  #trouble: string | undefined;

  constructor(options: PatcherOptions) {
    this.#options = options;
    const { backoffBaseMs: baseMs, backoffCapMs: capMs } = options.timing;
    this.#backoff = new Backoff({ baseMs, capMs });
  }

  /** Takes note of all that is wanted now; what is not, is forgotten. */
  plan(changes: readonly Change[]): void {
    this.#holds.retain(new Set(changes.map(({ object }) => keyOf(object))));
    const contested = changes.filter((change) => this.#contestedMs(change) > 0);
    for (const change of this.#contests.fresh(contested, ({ object }) => keyOf(object))) {
      this.#options.onEvent({ kind: 'contested', change, delayMs: this.#contestedMs(change) });
    }
  }

  /** How long to wait with a change (ms). */
  remainingMs(change: Change): number {
    return Math.max(
      this.#pausedUntil - performance.now(),
      this.#holds.remainingMs(change.object),
      this.#contestedMs(change),
      0,
    );
  }

  async apply(change: Change): Promise<PatchResult> {
    const { client, timing, onEvent } = this.#options;
    try {
      const signal = AbortSignal.timeout(timing.patchMs);
      const object = await requestJson(client, { ...annotationPatch(change), signal });
      this.#trouble = undefined;
      this.#backoff.reset();
      // Until the newer object is known, which is at once where the answer can be read.
      this.#holds.hold(change.object, timing.conflictMs);
      if (change.action === 'add') this.#contest.added(change.object);
      else this.#contest.removed(change.object);
      onEvent({ kind: 'changed', change, isDryRun: false });
      return { kind: 'patched', object };
    } catch (error) {
      const failure = patchFailureOf(error, change.object);
      this.#failed(change, failure);
      return failure;
    }
  }

  #failed(change: Change, failure: PatchFailure): void {
    const { timing, onEvent } = this.#options;
    switch (failure.kind) {
      case 'conflict':
        this.#holds.hold(change.object, timing.conflictMs);
        return;
      case 'gone':
        this.#holds.hold(change.object, timing.refusedMs);
        return;
      case 'refused': {
        const { message } = failure;
        if (this.#holds.hold(change.object, timing.refusedMs, message)) {
          onEvent({ kind: 'refused', change, message });
        }
        return;
      }
      case 'unavailable': {
        const { message, retryAfterMs } = failure;
        const delayMs = this.#backoff.next(retryAfterMs);
        this.#pausedUntil = performance.now() + delayMs;
        if (message !== this.#trouble) onEvent({ kind: 'retrying', message, delayMs });
        this.#trouble = message;
      }
    }
  }

  #contestedMs({ action, object }: Change): number {
    return action === 'add' ? this.#contest.remainingMs(object) : 0;
  }
}
