import type { EffectiveIdentity } from './index/effective-identities.js';
import type { ClusterRoleBinding, PolicyObject } from './objects.js';
import { PolicyIndex, type Bond } from './index/policy-index.js';
import type { PolicySink } from './policy-sink.js';

export type { PolicySink };

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
  /** Clock in ms since the epoch. Default: one that nobody sets back while the process runs. */
  readonly now?: () => number;
}

interface LayerState {
  readonly name: string;
  state: PolicyState;
  /** Filled by an earlier process' knowledge, and by nothing since. */
  isRestored: boolean;
  /** Replacements under way: what the layer holds is neither the old policy nor the new one. */
  replacements: number;
  reason?: string;
  /** While stale: when the source was last in step. */
  staleSince: number;
  syncedAt?: number;
}

/** A layer that has to be able to decide, and what may do so for it. */
interface Seat {
  readonly primary: LayerState;
  readonly fallback?: LayerState;
}

/** The system's clock may be set back, and a policy must not grow younger by that. */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}

/** The policy in force: its layers, and whether they may be relied on. */
export class Policy {
  readonly #index: PolicyIndex;
  readonly #states: ReadonlyMap<string, LayerState>;
  readonly #seats: readonly Seat[];
  readonly #maxStalenessMs: number;
  readonly #onChange: (policy: Policy) => void;
  readonly #now: () => number;

  constructor({
    layers,
    fallbacks = new Map(),
    maxStalenessMs = Infinity,
    onChange,
    now = steadyNow,
  }: PolicyOptions) {
    const isFallback = new Set(fallbacks.values());
    const unknown = [...fallbacks.keys()].find((name) => !layers.includes(name));
    if (unknown !== undefined) throw new RangeError(`no policy layer ${JSON.stringify(unknown)}`);
    const twice = layers.find((name, at) => layers.indexOf(name) !== at);
    if (twice !== undefined) throw new RangeError(`two policy layers ${JSON.stringify(twice)}`);
    this.#index = new PolicyIndex(layers, isFallback);
    this.#states = new Map(
      layers.map((name) => [
        name,
        { name, state: 'syncing', isRestored: false, replacements: 0, staleSince: 0 },
      ]),
    );
    this.#seats = layers
      .filter((name) => !isFallback.has(name))
      .map((name) => {
        const fallback = fallbacks.get(name);
        const primary = this.#state(name);
        return fallback === undefined ? { primary } : { primary, fallback: this.#state(fallback) };
      });
    this.#maxStalenessMs = maxStalenessMs;
    this.#onChange = onChange ?? (() => undefined);
    this.#now = now;
  }

  /** Where the source of one layer writes to. */
  sink(layer: string): PolicySink {
    const state = this.#state(layer);
    const index = this.#index;
    const synced = (): void => {
      state.state = 'synced';
      state.isRestored = false;
      state.syncedAt = this.#now();
      delete state.reason;
      this.#onChange(this);
    };
    return {
      replace: (objects) => {
        this.#index.replace(layer, objects);
        synced();
      },
      *replaceAll(objects) {
        yield* index.replaceAll(layer, objects);
        synced();
      },
      replaceKind: (kind, objects) => this.#replaceKind(layer, kind, objects),
      apply: (change) => {
        this.#index.apply(layer, change);
        this.#onChange(this);
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
        this.#onChange(this);
      },
      restore: (objects, syncedAt, reason) => {
        if (state.state !== 'syncing') return;
        this.#index.replace(layer, objects);
        Object.assign(state, { state: 'stale', isRestored: true, staleSince: syncedAt, syncedAt, reason });
        this.#onChange(this);
      },
    };
  }

  /** Why no decision may be made on this policy, or undefined when one may. */
  unavailable(): string | undefined {
    let fault: string | undefined;
    for (const seat of this.#seats) fault = this.#settle(seat) ?? fault;
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
      ...(reason === undefined ? {} : { reason }),
      ...(syncedAt === undefined ? {} : { syncedAt: state === 'synced' ? this.#now() : syncedAt }),
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

  *#replaceKind(
    layer: string,
    kind: PolicyObject['kind'],
    objects: readonly PolicyObject[],
  ): Generator<undefined, void, undefined> {
    const state = this.#state(layer);
    state.replacements += 1;
    try {
      yield* this.#index.replaceKind(layer, kind, objects);
    } finally {
      state.replacements -= 1;
    }
    this.#onChange(this);
  }

  /** Puts the layer in force that can decide: asked at each decision, since a layer grows too old by itself. */
  #settle({ primary, fallback }: Seat): string | undefined {
    const fault = this.#faultOf(primary);
    if (fallback === undefined) return fault;
    // What another process knew once is no match for what a server says now.
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
