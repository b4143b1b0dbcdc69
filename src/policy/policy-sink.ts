import type { PolicyObject } from './objects.js';
import type { PolicyChange } from './index/policy-index.js';

/**
 * What a policy source writes to. Each call takes effect whole, before the next decision; one that throws for
 * a malformed object has no effect.
 */
export interface PolicySink {
  /** Replaces everything the source said before; the layer is synced from then on. */
  replace(objects: readonly PolicyObject[]): void;
  /** `replace` in short steps, with the same effect whole, at one of them; default: `replace` is called. */
  replaceAll?(objects: readonly PolicyObject[]): Generator<undefined, void, undefined>;
  /**
   * Replaces all objects of one kind, in steps that leave room for decisions between them: what is gone is
   * revoked before anything new is granted. Says nothing about the layer's state.
   */
  replaceKind(
    kind: PolicyObject['kind'],
    objects: readonly PolicyObject[],
  ): Generator<undefined, void, undefined>;
  /** Applies one change. Says nothing about the layer's state. */
  apply(change: PolicyChange): void;
  /** Everything the source has to say has been said: the layer is in step with it. */
  markSynced(): void;
  /**
   * The source is away or unreadable: the last policy stays in force, and its age counts from `since`
   * (ms since the epoch; default: now).
   */
  markStale(reason: string, since?: number): void;
  /** Fills a layer that is not loaded yet with what an earlier process knew at `syncedAt`: stale, but serving. */
  restore(objects: readonly PolicyObject[], syncedAt: number, reason: string): void;
}
