import type { EffectiveIdentity } from './index/effective-identities.js';
import { PolicyIndex, type LayerContent, type PolicyChange } from './index/policy-index.js';
import { replaceKind, type ObjectHolder } from './index/replace-kind.js';
import type { WorkspaceIndex } from './index/workspace-index.js';
import type { Grants } from './index/roles.js';
import type { SubjectBinding } from './index/subject-bindings.js';
import { subjectKey, type ClusterRoleBinding, type PolicyObject, type Subject } from './objects.js';
import { presentOnly } from '../present-only.js';
import { runAll } from '../time-slice.js';
import { steadyNow } from '../timer.js';
import { aFunction, aMap, checkOptions, optional, texts } from '../option-checks.js';

/**
 * What a policy source writes to. Each call takes effect as a whole, before the next decision; one that throws for a
 * malformed object has no effect.
 */
export interface PolicySink {
  /** Replaces the layer's content; the layer is then synced. */
  replace(objects: readonly PolicyObject[]): void;
  /** `replace` in short steps, taking effect as a whole in one of them. */
  replaceAll(objects: readonly PolicyObject[]): Generator<undefined, void, undefined>;
  /**
   * Replaces all objects of one kind, in steps between which decisions are made: removed objects are revoked before
   * anything new is granted. Does not change the layer's state.
   */
  replaceKind(
    kind: PolicyObject['kind'],
    objects: readonly PolicyObject[],
  ): Generator<undefined, void, undefined>;
  /** Applies one change. Does not change the layer's state. */
  apply(change: PolicyChange): void;
  /** The layer is in sync with its source. */
  markSynced(): void;
  /**
   * The source is unreachable or unreadable: the last policy stays in force, and its age counts from `since` (ms since
   * the epoch; default: now).
   */
  markStale(reason: string, since?: number): void;
  /** Fills a layer that is not loaded yet with an earlier process's policy of `syncedAt`: stale, but in use. */
  restore(objects: readonly PolicyObject[], syncedAt: number, reason: string): void;
}

/** A binding and the subject by which it counts for a caller. */
export interface BindingOfCaller {
  readonly binding: ClusterRoleBinding;
  readonly subject: Subject;
  /** Of its role; undefined if there is none. */
  readonly grants: Grants | undefined;
}

/** Not read yet, in sync with its source, or the last known one while the source is lost. */
export type PolicyState = 'syncing' | 'synced' | 'stale';

/** The state of one layer, for readiness, metrics and status pages. */
export interface PolicyLayerStatus extends LayerContent {
  readonly layer: string;
  readonly state: PolicyState;
  /** Why it is stale, or not loaded yet. */
  readonly reason?: string;
  /** When it was last in sync (ms since the epoch); undefined before the first time. */
  readonly syncedAt?: number;
  /** How long ago that was (ms); 0 while synced. */
  readonly ageMs: number;
}

export interface PolicyOptions {
  /** A binding's role is looked for in its own layer, then in the later ones that are no fallback. */
  readonly layers: readonly string[];
  /** The layer that decides while another cannot: not loaded yet, or stale for too long. */
  readonly fallbacks?: ReadonlyMap<string, string>;
  /** How long a stale layer stays in use (ms). Default: forever. */
  readonly maxStalenessMs?: number;
  /**
   * The policies of the workspaces, one more layer, which decides nothing in root. They stand over the bootstrap layer.
   * Default: none.
   */
  readonly workspaces?: WorkspaceIndex | undefined;
  /** Called after each change. */
  readonly onChange?: (policy: Policy) => void;
  /** Clock in ms since the epoch. Default: one that is never set back while the process runs. */
  readonly now?: () => number;
}

interface LayerState {
  readonly name: string;
  /** The layer that decides while this one cannot. */
  fallback?: LayerState;
  state: PolicyState;
  /** Restored from a snapshot and not updated since. */
  isRestored: boolean;
  /** Replacements in progress: the layer holds neither the old policy nor the new one. */
  replacements: number;
  reason?: string | undefined;
  /** While stale: when the source was last in sync. */
  staleSince: number;
  syncedAt?: number;
}

/** What holds a layer's objects. */
type LayerIndex = ObjectHolder & Pick<WorkspaceIndex, 'replaceAll'> & Pick<PolicyIndex, 'describe'>;

/** The policy in force: its layers, and whether they may be used. */
export class Policy {
  /** The policies of the workspaces, if they are known here. */
  readonly workspaces: WorkspaceIndex | undefined;
  readonly #index: PolicyIndex;
  readonly #states: ReadonlyMap<string, LayerState>;
  /** The layers that must be able to decide, or their fallbacks. */
  readonly #required: readonly LayerState[];
  /** The layers that decide in workspaces. */
  readonly #ofWorkspaces: readonly LayerState[];
  readonly #maxStalenessMs: number;
  readonly #onChange: (policy: Policy) => void;
  readonly #now: () => number;

  constructor(options: PolicyOptions) {
    checkOptions(options, {
      layers: texts,
      fallbacks: optional(aMap('names of layers')),
      now: optional(aFunction),
    });
    const {
      layers,
      fallbacks = new Map<string, string>(),
      maxStalenessMs = Infinity,
      workspaces,
      onChange = (): void => undefined,
      now = steadyNow,
    } = options;
    const names = workspaces === undefined ? layers : [...layers, workspaces.layer];
    const isFallback = new Set(fallbacks.values());
    const twice = names.find((name, at) => names.indexOf(name) !== at);
    if (twice !== undefined) throw new RangeError(`two policy layers ${JSON.stringify(twice)}`);
    this.workspaces = workspaces;
    this.#index = new PolicyIndex(layers, isFallback);
    this.#states = new Map(
      names.map((name) => [
        name,
        { name, state: 'syncing', isRestored: false, replacements: 0, staleSince: 0 },
      ]),
    );
    // Unknown layers fail here.
    for (const [name, other] of fallbacks) this.#state(name).fallback = this.#state(other);
    const states = [...this.#states.values()];
    this.#required = states.filter(({ name }) => !isFallback.has(name) && name !== workspaces?.layer);
    const { layer, bootstrapLayer } = workspaces ?? {};
    this.#ofWorkspaces = states.filter(({ name }) => name === layer || name === bootstrapLayer);
    this.#maxStalenessMs = maxStalenessMs;
    this.#onChange = onChange;
    this.#now = now;
  }

  /** The sink for the source of one layer. */
  sink(layer: string): PolicySink {
    const state = this.#state(layer);
    const indexes = this.#indexesOf(layer);
    const changed = (): void => {
      this.#onChange(this);
    };
    const synced = (): void => {
      Object.assign(state, { state: 'synced', isRestored: false, syncedAt: this.#now(), reason: undefined });
      changed();
    };
    function* replace(objects: readonly PolicyObject[]): ReturnType<PolicySink['replaceAll']> {
      for (const index of indexes) yield* index.replaceAll(layer, objects);
    }
    function* replaceAll(objects: readonly PolicyObject[]): ReturnType<PolicySink['replaceAll']> {
      yield* replace(objects);
      synced();
    }
    return {
      replace: (objects) => {
        runAll(replaceAll(objects));
      },
      replaceAll,
      *replaceKind(kind, objects) {
        state.replacements += 1;
        try {
          for (const index of indexes) yield* replaceKind(index, layer, kind, objects);
        } finally {
          state.replacements -= 1;
        }
        changed();
      },
      apply: (change) => {
        for (const index of indexes) index.apply(layer, change);
        changed();
      },
      markSynced: synced,
      markStale: (reason, since = this.#now()) => {
        // Before the first sync nothing can be stale; of two losses the earlier one counts.
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
        runAll(replace(objects));
        Object.assign(state, { state: 'stale', isRestored: true, staleSince: syncedAt, syncedAt, reason });
        changed();
      },
    };
  }

  /** Why this policy must not be used, or undefined if it may. Ask before each `find`: a layer may be too old by now. */
  unavailable(): string | undefined {
    return this.#chooseLayers();
  }

  /** Why no decision can be made in a workspace, or undefined. */
  workspacesUnavailable(): string | undefined {
    for (const state of this.#ofWorkspaces) {
      const fault = this.#faultOf(state);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /**
   * What grants `verb` on `path` to one of the identities, if anything. First ask `unavailable`: it chooses the layers.
   * `byName`: only rules that name the path count, and no patterns.
   */
  find(
    identities: readonly EffectiveIdentity[],
    verb: string,
    path: string,
    byName = false,
  ): SubjectBinding | undefined {
    return this.#index.find(identities, verb, path, byName);
  }

  status(): readonly PolicyLayerStatus[] {
    this.#chooseLayers();
    return [...this.#states.values()].map(({ name, state, reason, staleSince, syncedAt }) => ({
      layer: name,
      state,
      ...presentOnly({ reason, syncedAt: state === 'synced' ? this.#now() : syncedAt }),
      ageMs: state === 'stale' ? Math.max(0, this.#now() - staleSince) : 0,
      ...this.#indexOf(name).describe(name),
    }));
  }

  /** Whether a layer holds a complete policy, not one that is being replaced. */
  isWhole(layer: string): boolean {
    return this.#state(layer).replacements === 0;
  }

  /** The layer's present content. */
  objects(layer: string): readonly PolicyObject[] {
    return [...this.parts(layer)].flat();
  }

  /**
   * The same in parts, each as it is when it is taken: of many workspaces one at a time, whose policies do not depend
   * on one another; of another layer all of it.
   */
  parts(layer: string): Iterable<readonly PolicyObject[]> {
    return layer === this.workspaces?.layer ? this.workspaces.parts() : [this.#index.objects(layer)];
  }

  /**
   * Bindings whose role is in no layer: they grant nothing, which is rarely intended. If there are any, all bindings are
   * searched: iterate in steps.
   */
  *danglingBindings(): Generator<{ layer: string; binding: ClusterRoleBinding } | undefined> {
    yield* this.#index.danglingBindings();
    // What the owners of workspaces write on a server is their own business.
    if (this.workspaces === undefined || this.workspaces.requiresLogicalCluster) return;
    const { layer } = this.workspaces;
    for (const binding of this.workspaces.danglingBindings()) yield binding && { layer, binding };
  }

  /** Every binding in force that names one of the identities; walks the whole policy, for offline questions. */
  *bindingsOf(identities: readonly EffectiveIdentity[]): Generator<BindingOfCaller> {
    this.#chooseLayers();
    const users = new Set(identities.map(({ name }) => name));
    const groups = new Set(identities.flatMap((identity) => identity.groups));
    for (const { binding, reference } of this.#index.bindings()) {
      const subject = binding.subjects.find((candidate) => {
        const key = subjectKey(candidate);
        return key !== undefined && (key.kind === 'user' ? users : groups).has(key.name);
      });
      if (subject === undefined || !reference.layer.force.isOn) continue;
      yield { binding, subject, grants: reference.inForce ? reference.grants : undefined };
    }
  }

  /** Every binding that grants `verb` on `path`; walks the whole policy, for offline questions. */
  *grantsOf(
    verb: string,
    path: string,
    byName = false,
  ): Generator<{ layer: string; binding: ClusterRoleBinding }> {
    this.#chooseLayers();
    yield* this.#index.grantsOf(verb, path, byName);
  }

  /** Where a layer is described. */
  #indexOf(layer: string): LayerIndex {
    return layer === this.workspaces?.layer ? this.workspaces : this.#index;
  }

  /** All that hold a layer: the bootstrap policy counts in root and in every workspace. */
  #indexesOf(layer: string): readonly LayerIndex[] {
    const index = this.#indexOf(layer);
    return layer === this.workspaces?.bootstrapLayer ? [index, this.workspaces.bootstrap] : [index];
  }

  #state(layer: string): LayerState {
    const state = this.#states.get(layer);
    if (state === undefined) throw new RangeError(`no policy layer ${JSON.stringify(layer)}`);
    return state;
  }

  /** Puts in force the layers that can decide. Returns why one is missing, or undefined. */
  #chooseLayers(): string | undefined {
    let fault: string | undefined;
    for (const layer of this.#required) fault = this.#choose(layer) ?? fault;
    return fault;
  }

  /** Puts a layer or its fallback in force. Returns why neither can decide, or undefined. */
  #choose(primary: LayerState): string | undefined {
    const { fallback } = primary;
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
