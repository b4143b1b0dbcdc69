import type { EffectiveIdentity } from './effective-identities.js';
import type { ClusterRoleBinding, PolicyObject } from './objects.js';
import { PolicyIndex, type Bond, type PolicyChange } from './policy-index.js';

/** Not yet read, in step with its source, or the last one known while its source is away. */
export type PolicyState = 'syncing' | 'synced' | 'stale';

/**
 * What a policy source writes to. Each call takes effect whole, before the next decision; one that throws for
 * a malformed object has no effect.
 */
export interface PolicySink {
  /** Replaces everything the source said before; the layer is synced from then on. */
  replace(objects: readonly PolicyObject[]): void;
  /** Applies one change; the layer is synced. */
  apply(change: PolicyChange): void;
  /** The source is away or unreadable: the last policy stays in force, and its age begins to count. */
  markStale(reason: string): void;
}

/** What is known of one layer, for readiness, metrics and people. */
export interface PolicyLayerStatus {
  readonly layer: string;
  readonly state: PolicyState;
  /** Why it is stale. */
  readonly reason?: string;
  /** How long ago the source was last known to be in step (ms); 0 while synced. */
  readonly ageMs: number;
  readonly clusterRoles: number;
  readonly clusterRoleBindings: number;
}

export interface PolicyOptions {
  /** A binding's role is looked for in its own layer, then in the later ones. */
  readonly layers: readonly string[];
  /** How long a stale layer may decide (ms). Default: for ever. */
  readonly maxStalenessMs?: number;
  /** Called after each change. */
  readonly onChange?: (policy: Policy) => void;
  /** Clock in ms, for tests. */
  readonly now?: () => number;
}

interface LayerState {
  state: PolicyState;
  reason?: string;
  staleSince: number;
}

/** The policy in force: its layers, and whether they may be relied on. */
export class Policy {
  readonly #index: PolicyIndex;
  readonly #states: Map<string, LayerState>;
  readonly #maxStalenessMs: number;
  readonly #onChange: (policy: Policy) => void;
  readonly #now: () => number;

  constructor({ layers, maxStalenessMs = Infinity, onChange, now = Date.now }: PolicyOptions) {
    this.#index = new PolicyIndex(layers);
    this.#states = new Map(layers.map((layer) => [layer, { state: 'syncing', staleSince: 0 }]));
    this.#maxStalenessMs = maxStalenessMs;
    this.#onChange = onChange ?? (() => undefined);
    this.#now = now;
  }

  /** Where the source of one layer writes to. */
  sink(layer: string): PolicySink {
    const state = this.#states.get(layer);
    if (state === undefined) throw new RangeError(`no policy layer ${JSON.stringify(layer)}`);
    const synced = (): void => {
      state.state = 'synced';
      delete state.reason;
      this.#onChange(this);
    };
    return {
      replace: (objects) => {
        this.#index.replace(layer, objects);
        synced();
      },
      apply: (change) => {
        this.#index.apply(layer, change);
        synced();
      },
      markStale: (reason) => {
        // Before the first sync there is nothing that could be stale.
        if (state.state === 'synced') {
          state.state = 'stale';
          state.staleSince = this.#now();
        }
        state.reason = reason;
        this.#onChange(this);
      },
    };
  }

  /** Why no decision may be made on this policy, or undefined when one may. */
  unavailable(): string | undefined {
    for (const [layer, { state, staleSince }] of this.#states) {
      if (state === 'syncing') return `policy layer ${JSON.stringify(layer)} is not loaded yet`;
      if (state === 'stale' && this.#now() - staleSince > this.#maxStalenessMs) {
        return `policy layer ${JSON.stringify(layer)} is stale for too long`;
      }
    }
    return undefined;
  }

  /** What grants `verb` on `path` to one of the identities, if anything does. */
  find(identities: readonly EffectiveIdentity[], verb: string, path: string): Bond | undefined {
    return this.#index.find(identities, verb, path);
  }

  status(): readonly PolicyLayerStatus[] {
    return [...this.#states].map(([layer, { state, reason, staleSince }]) => ({
      layer,
      state,
      ...(reason === undefined ? {} : { reason }),
      ageMs: state === 'stale' ? this.#now() - staleSince : 0,
      ...this.#index.count(layer),
    }));
  }

  /** Bindings whose role stands in no layer: they grant nothing, which is seldom what was meant. */
  danglingBindings(): readonly ClusterRoleBinding[] {
    return [...this.#index.bindings()]
      .filter(({ reference }) => !reference.resolved)
      .map(({ binding }) => binding);
  }

  /** Every bond that grants `verb` on `path`; walks the whole policy, for offline questions. */
  *grantsOf(verb: string, path: string): Generator<{ layer: string; binding: ClusterRoleBinding }> {
    for (const { layer, binding, reference } of this.#index.bindings()) {
      if (this.#index.covers(reference, verb, path)) yield { layer, binding };
    }
  }
}
