import type { Change, SkippedBinding } from './plan.js';

/** What a replicator tells. */
export type ReplicationEvent =
  /** A change was made, or would have been: `isDryRun`. */
  | { readonly kind: 'changed'; readonly change: Change; readonly isDryRun: boolean }
  /** A binding is left on the root shard alone, since its role grants more than metrics. */
  | { readonly kind: 'skipped'; readonly binding: SkippedBinding }
  /** A change may not be made, or cannot be; told again only where the reason is another. */
  | { readonly kind: 'refused'; readonly change: Change; readonly message: string }
  /** Somebody else removes the annotation again and again: it is added again after `delayMs` at the earliest. */
  | { readonly kind: 'contested'; readonly change: Change; readonly delayMs: number }
  /** The server is away or busy; told again only where the reason is another. */
  | { readonly kind: 'retrying'; readonly message: string; readonly delayMs: number }
  /** What root holds is not known any more, and nothing is changed until it is. */
  | { readonly kind: 'lost'; readonly message: string }
  /** It is known again. */
  | { readonly kind: 'in-step' }
  /** What was to be done once cannot be done. */
  | { readonly kind: 'gave-up'; readonly message: string };
