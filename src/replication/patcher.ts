import { type ApiClient, requestJson } from '../kubernetes/api-client.js';
import { Backoff } from '../outgoing/backoff.js';
import { annotationPatch, patchFailureOf, type PatchFailure } from './annotation.js';
import { ChangeLedger, newSinceLastTime } from './ledgers.js';
import type { SkippedBinding } from './plan.js';
import { keyOf, type Change } from './root-objects.js';

/** What a replicator reports. */
export type ReplicationEvent =
  /** A change was made, or would have been: `isDryRun`. */
  | { readonly kind: 'changed'; readonly change: Change; readonly isDryRun: boolean }
  /** A binding stays on the root shard only, because its role grants more than metrics. */
  | { readonly kind: 'skipped'; readonly binding: SkippedBinding }
  /** A change is forbidden or impossible; reported again only for another reason. */
  | { readonly kind: 'refused'; readonly change: Change; readonly message: string }
  /** Another party keeps removing the annotation: it is added again after `delayMs` at the earliest. */
  | { readonly kind: 'contested'; readonly change: Change; readonly delayMs: number }
  /** The server is unreachable or busy; reported again only for another reason. */
  | { readonly kind: 'retrying'; readonly message: string; readonly delayMs: number }
  /** The state of root is unknown; nothing is changed until it is known again. */
  | { readonly kind: 'lost'; readonly message: string }
  /** The state of root is known again. */
  | { readonly kind: 'in-step' }
  /** The single run has failed. */
  | { readonly kind: 'gave-up'; readonly message: string };

/** The delays of a replicator. */
export const defaultTiming = {
  /** How long changes are gathered before they are planned (ms). */
  gatherMs: 100,
  /** How long a patch may take (ms). */
  patchMs: 10_000,
  /** How long after a conflict to wait for the newer object (ms). */
  conflictMs: 1_000,
  /** How long to leave an object alone that must not be changed, unless it changes itself (ms). */
  refusedMs: 300_000,
  /** The longest first delay while the server is unreachable or busy (ms); doubles with each failure. */
  backoffBaseMs: 250,
  /** The longest delay of a retry (ms), unless the server asks for more. */
  backoffCapMs: 15_000,
};

export type ReplicatorTiming = Readonly<typeof defaultTiming>;

interface PatcherOptions {
  readonly client: ApiClient;
  readonly timing: ReplicatorTiming;
  readonly onEvent: (event: ReplicationEvent) => void;
}

type PatchResult = { readonly kind: 'patched'; readonly object: unknown } | PatchFailure;

/** Makes changes, each as soon as it may. */
export class Patcher {
  readonly #options: PatcherOptions;
  readonly #backoff: Backoff;
  readonly #ledger = new ChangeLedger();
  readonly #newContests = newSinceLastTime<Change>(({ object }) => keyOf(object));
  /** The server is not asked before this time. */
  #pausedUntil = 0;
  #lastFailure: string | undefined;

  constructor(options: PatcherOptions) {
    this.#options = options;
    const { backoffBaseMs: baseMs, backoffCapMs: capMs } = options.timing;
    this.#backoff = new Backoff({ baseMs, capMs });
  }

  /** Replaces the changes to make. */
  plan(changes: readonly Change[]): void {
    this.#ledger.retainHolds(changes);
    const contested = changes.filter((change) => this.#ledger.contestedMs(change) > 0);
    for (const change of this.#newContests(contested)) {
      this.#options.onEvent({ kind: 'contested', change, delayMs: this.#ledger.contestedMs(change) });
    }
  }

  /** How long to wait before a change (ms). */
  remainingMs(change: Change): number {
    return Math.max(this.#pausedUntil - performance.now(), this.#ledger.remainingMs(change));
  }

  async apply(change: Change): Promise<PatchResult> {
    const { client, timing, onEvent } = this.#options;
    try {
      const signal = AbortSignal.timeout(timing.patchMs);
      const object = await requestJson(client, { ...annotationPatch(change), signal });
      this.#lastFailure = undefined;
      this.#backoff.reset();
      // Until the newer object is known: at once, if the answer can be read.
      this.#ledger.hold(change.object, timing.conflictMs);
      this.#ledger.made(change);
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
    if (failure.kind === 'unavailable') {
      const { message, retryAfterMs } = failure;
      const delayMs = this.#backoff.next(retryAfterMs);
      this.#pausedUntil = performance.now() + delayMs;
      if (message !== this.#lastFailure) onEvent({ kind: 'retrying', message, delayMs });
      this.#lastFailure = message;
      return;
    }
    const message = failure.kind === 'refused' ? failure.message : '';
    const holdMs = failure.kind === 'conflict' ? timing.conflictMs : timing.refusedMs;
    const isNew = this.#ledger.hold(change.object, holdMs, message);
    if (isNew && message !== '') onEvent({ kind: 'refused', change, message });
  }
}
