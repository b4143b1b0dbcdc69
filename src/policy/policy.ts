import type { EffectiveIdentity } from './index/effective-identities.js';
import type { Bond } from './index/bonds.js';
import { PolicyIndex, type PolicyChange } from './index/policy-index.js';
import type { ClusterRoleBinding, PolicyObject } from './objects.js';
import { given } from '../given.js';

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

/** Not yet read, in step with its source, or the last one known while its source is away. */
export type PolicyState = 'syncing' | 'synced' | 'stale';

/** What is known of one layer, for readiness, metrics and people. */
export interface PolicyLayerStatus {
  readonly layer: string;
  readonly state: PolicyState;
  /** Why it is stale, or not loaded yet. */
  readonly reason?: string;
  /** When the source was last known to be in step (ms since the epoch); undefined before the first time. */
  readonly syncedAt?: number;
  /** How long ago that was (ms); 0 while synced. */
  readonly ageMs: number;
  /** Whether decisions are made on it: a fallback waits until it is needed. */
  readonly inForce: boolean;
  readonly clusterRoles: number;
  readonly clusterRoleBindings: number;
}

export interface PolicyOptions {
  /** A binding's role is looked for in its own layer, then in the later ones that are no fallback. */
  readonly layers: readonly string[];
  /** Which layer decides in the place of another that cannot: not loaded yet, or stale for too long. */
  readonly fallbacks?: ReadonlyMap<string, string>;
  /** How long a stale layer may decide (ms). Default: for ever. */
  readonly maxStalenessMs?: number;
  /** Called after each change. */
  readonly onChange?: (policy: Policy) => void;
  /** Clock in ms since the epoch. Default: one that is never set back while the process runs. */
  readonly now?: () => number;
}

interface LayerState {
  readonly name: string;
  state: PolicyState;
  /** Filled with what an earlier process knew, and by nothing since. */
  isRestored: boolean;
  /** Replacements under way: what the layer holds is neither the old policy nor the new one. */
  replacements: number;
  reason?: string | undefined;
  /** While stale: when the source was last in step. */
  staleSince: number;
  syncedAt?: number;
}

/** A layer that has to be able to decide, and the one that may do so in its place. */
interface LayerWithFallback {
  readonly primary: LayerState;
  readonly fallback: LayerState | undefined;
}

/** In ms since the epoch. Unlike the system's clock it is never set back, which would make a policy younger. */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}

/** The policy in force: its layers, and whether they may be relied on. */
export class Policy {
  readonly #index: PolicyIndex;
  readonly #states: ReadonlyMap<string, LayerState>;
  readonly #required: readonly LayerWithFallback[];
  readonly #maxStalenessMs: number;
  readonly #onChange: (policy: Policy) => void;
  readonly #now: () => number;

  constructor({
    layers,
    fallbacks = new Map(),
    maxStalenessMs = Infinity,
    onChange = (): void => undefined,
    now = steadyNow,
  }: PolicyOptions) {
    const isFallback = new Set(fallbacks.values());
    const twice = layers.find((name, at) => layers.indexOf(name) !== at);
    if (twice !== undefined) throw new RangeError(`two policy layers ${JSON.stringify(twice)}`);
    this.#index = new PolicyIndex(layers, isFallback);
    this.#states = new Map(
      layers.map((name) => [
        name,
        { name, state: 'syncing', isRestored: false, replacements: 0, staleSince: 0 },
      ]),
    );
    // Of names that are no layers the error comes from here.
    const fallbackOf = new Map(
      [...fallbacks].map(([name, other]) => [this.#state(name), this.#state(other)]),
    );
    this.#required = [...this.#states.values()]
      .filter(({ name }) => !isFallback.has(name))
      .map((primary) => ({ primary, fallback: fallbackOf.get(primary) }));
    this.#maxStalenessMs = maxStalenessMs;
    this.#onChange = onChange;
    this.#now = now;
  }

  /** Where the source of one layer writes to. */
  sink(layer: string): PolicySink {
    const state = this.#state(layer);
    const index = this.#index;
    const changed = (): void => {
      this.#onChange(this);
    };
    const synced = (): void => {
      Object.assign(state, { state: 'synced', isRestored: false, syncedAt: this.#now(), reason: undefined });
      changed();
    };
    return {
      replace: (objects) => {
        index.replace(layer, objects);
        synced();
      },
      *replaceAll(objects) {
        yield* index.replaceAll(layer, objects);
        synced();
      },
      *replaceKind(kind, objects) {
        state.replacements += 1;
        try {
          yield* index.replaceKind(layer, kind, objects);
        } finally {
          state.replacements -= 1;
        }
        changed();
      },
      apply: (change) => {
        index.apply(layer, change);
        changed();
      },
      markSynced: synced,
      markStale: (reason, since = this.#now()) => {
        // Before the first sync there is nothing that could be stale; of two losses the earlier one counts.
        if (state.state === 'synced' || (state.state === 'stale' && since < state.staleSince)) {
          state.state = 'stale';
          state.staleSince = since;
          state.syncedAt = since;
        }
        state.reason = reason;
        changed();
      },
      restore: (objects, syncedAt, reason) => {
        if (state.state !== 'syncing') return;
        index.replace(layer, objects);
        Object.assign(state, { state: 'stale', isRestored: true, staleSince: syncedAt, syncedAt, reason });
        changed();
      },
    };
  }

  /** Why no decision may be made on this policy, or undefined when one may. */
  unavailable(): string | undefined {
    let fault: string | undefined;
    for (const layer of this.#required) fault = this.#putInForce(layer) ?? fault;
    return fault;
  }

  /** What grants `verb` on `path` to one of the identities, if anything does; asked where it is available. */
  find(identities: readonly EffectiveIdentity[], verb: string, path: string): Bond | undefined {
    return this.#index.find(identities, verb, path);
  }

  status(): readonly PolicyLayerStatus[] {
    this.unavailable();
    return [...this.#states.values()].map(({ name, state, reason, staleSince, syncedAt }) => ({
      layer: name,
      state,
      ...given({ reason, syncedAt: state === 'synced' ? this.#now() : syncedAt }),
      ageMs: state === 'stale' ? Math.max(0, this.#now() - staleSince) : 0,
      ...this.#index.describe(name),
    }));
  }

  /** Whether a layer holds a whole policy, rather than one that is just being replaced by another. */
  isWhole(layer: string): boolean {
    return this.#state(layer).replacements === 0;
  }

  /** All that a layer holds, as of now; for a snapshot. */
  objects(layer: string): readonly PolicyObject[] {
    return this.#index.objects(layer);
  }

  /**
   * Bindings whose role stands in no layer: they grant nothing, which is seldom what was meant. Where there
   * are any, they are looked for among all bindings: take them in steps.
   */
  *danglingBindings(): Generator<{ layer: string; binding: ClusterRoleBinding } | undefined> {
    if (!this.#index.hasDanglingBindings()) return;
    for (const { layer, binding, reference } of this.#index.bindings()) {
      yield reference.resolved ? undefined : { layer, binding };
    }
  }

  /** Every bond that grants `verb` on `path`; walks the whole policy, for offline questions. */
  *grantsOf(verb: string, path: string): Generator<{ layer: string; binding: ClusterRoleBinding }> {
    this.unavailable();
    for (const { layer, binding, reference } of this.#index.bindings()) {
      if (this.#index.covers(reference, verb, path)) yield { layer, binding };
    }
  }

  #state(layer: string): LayerState {
    const state = this.#states.get(layer);
    if (state === undefined) throw new RangeError(`no policy layer ${JSON.stringify(layer)}`);
    return state;
  }

  /** Puts the layer in force that can decide: asked at each decision, since a layer grows too old by itself. */
  #putInForce({ primary, fallback }: LayerWithFallback): string | undefined {
    const fault = this.#faultOf(primary);
    if (fallback === undefined) return fault;
    // What a server says now counts more than what another process knew once.
    const isOutdone = primary.isRestored && fallback.state === 'synced';
    const isReplaced = isOutdone || (fault !== undefined && this.#faultOf(fallback) === undefined);
    this.#index.setInForce(primary.name, !isReplaced);
    this.#index.setInForce(fallback.name, isReplaced);
    return isReplaced ? undefined : fault;
  }

  #faultOf({ name, state, staleSince }: LayerState): string | undefined {
    if (state === 'syncing') return `policy layer ${JSON.stringify(name)} is not loaded yet`;
    if (state === 'stale' && this.#now() - staleSince > this.#maxStalenessMs) {
      return `policy layer ${JSON.stringify(name)} is stale for too long`;
    }
    return undefined;
  }
}
