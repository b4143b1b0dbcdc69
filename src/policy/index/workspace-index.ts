import { NameTable } from '../../name-table.js';
import type { ClusterRoleBinding, LogicalCluster, PolicyObject, RbacObject } from '../objects.js';
import type { EffectiveIdentity } from './effective-identities.js';
import { PolicyIndex, type LayerContent, type ObjectName, type PolicyChange } from './policy-index.js';
import type { SubjectBinding, SubjectTable } from './subject-bindings.js';

/** What is known of one logical cluster. */
interface IndexedWorkspace {
  readonly cluster: string;
  /** Where it stands in the list of all. */
  place: number;
  /** Whether there is such a workspace for callers. */
  isKnown: boolean;
  logicalCluster: LogicalCluster | undefined;
  /** One of the lists has to be satisfied, with all of its groups; undefined: no group is required. */
  requiredGroups: readonly (readonly string[])[] | undefined;
  /** Of its own roles and bindings; undefined where it has none. */
  own: PolicyIndex | undefined;
  /** Those of `own`, at hand for decisions. */
  subjects: SubjectTable | undefined;
  /** Of the bootstrap policy that its bindings were resolved with. */
  bootstrapVersion: number;
}

export type Workspace = Readonly<IndexedWorkspace>;

/** Stands for no workspace at all: no logical cluster has an empty name. */
export const nowhere: Workspace = {
  cluster: '',
  place: -1,
  isKnown: false,
  logicalCluster: undefined,
  requiredGroups: undefined,
  own: undefined,
  subjects: undefined,
  bootstrapVersion: 0,
};

/** A space of the table of workspaces that holds no name: to look there takes as long as elsewhere, and finds nothing. */
const unusedSpace = 1;

/** Name of the layer in each workspace's own index. */
const ownLayer = 'workspace';

/**
 * The policies of many workspaces, each in an index of its own, over one bootstrap policy that all of them share: a
 * binding's role is looked for in its own workspace and then in the bootstrap policy, whose bindings count everywhere.
 * Neither the number of workspaces nor that of their bindings makes a decision slower.
 *
 * A workspace is known by its LogicalCluster, or where none is required by any object. What is of a system workspace
 * (`system:admin`) is left out.
 */
export class WorkspaceIndex {
  /** By the name of the logical cluster. */
  #workspaces = new NameTable<IndexedWorkspace>();
  /** The same, in no order. */
  #all: IndexedWorkspace[] = [];
  /** By path, which each LogicalCluster says of itself, so several may claim one. */
  #claimants = new NameTable<readonly IndexedWorkspace[]>();
  readonly #counts = { ClusterRole: 0, ClusterRoleBinding: 0, LogicalCluster: 0 };
  #version = 0;

  /**
   * @param layer what its layer is called.
   * @param bootstrapLayer what the layer of the bootstrap policy is called.
   * @param requiresLogicalCluster whether a workspace without a LogicalCluster is unknown.
   * @param bootstrap filled by whoever fills the bootstrap layer of root's policy.
   */
  constructor(
    readonly layer: string,
    readonly bootstrapLayer: string,
    readonly requiresLogicalCluster: boolean,
    readonly bootstrap = new PolicyIndex([bootstrapLayer]),
  ) {}

  /** Grows with each change, also of the bootstrap policy. */
  get version(): number {
    return this.#version + this.bootstrap.version;
  }

  /** A known workspace by the name of its logical cluster. */
  get(cluster: string): Workspace | undefined {
    const workspace = this.#workspaces.get(cluster);
    return workspace?.isKnown === true ? workspace : undefined;
  }

  /** A known workspace by the name of its logical cluster, or by its path, unless another claims that path, too. */
  named(nameOrPath: string): Workspace | undefined {
    // Both are looked up, so that a known name takes as long as an unknown one.
    const claimants = this.#claimants.get(nameOrPath);
    const byName = this.get(nameOrPath);
    if (byName !== undefined) return byName;
    return claimants?.length === 1 && claimants[0]?.isKnown === true ? claimants[0] : undefined;
  }

  /**
   * Stands in for a workspace that does not exist: always the same one for a name, while none comes or goes. So a
   * decision about an unknown name takes as long as any other.
   */
  inPlaceOf(name: string): Workspace {
    // Found by its name, as a known one is.
    return this.#workspaces.get(this.#standInFor(name).cluster) ?? nowhere;
  }

  /** Does for a known name what otherwise only an unknown one needs, so that both take as long. Always true. */
  hasStandInFor(name: string): boolean {
    return this.#standInFor(name) !== nowhere && this.#workspaces.get(name, unusedSpace) === undefined;
  }

  #standInFor(name: string): Workspace {
    let hash = 0;
    for (let at = 0; at < name.length; at += 1) hash = (Math.imul(hash, 31) + name.charCodeAt(at)) >>> 0;
    return this.#all[hash % this.#all.length] ?? nowhere;
  }

  /** Paths that several logical clusters claim, none of which is found by it. */
  *claimedPaths(): Generator<
    { readonly path: string; readonly clusters: readonly string[] },
    void,
    undefined
  > {
    for (const workspace of this.#each()) {
      const path = workspace.logicalCluster?.path;
      const claimants = path === undefined ? undefined : this.#claimants.get(path);
      if (path === undefined || claimants === undefined || claimants.length === 1) continue;
      if (claimants[0] === workspace) yield { path, clusters: claimants.map(({ cluster }) => cluster) };
    }
  }

  /** All known workspaces; undefined for a step that found none. */
  *known(): Generator<Workspace | undefined, void, undefined> {
    for (const workspace of this.#each()) yield workspace.isKnown ? workspace : undefined;
  }

  /** Each once, while others come and go. Backwards: the last one, already yielded, takes the place of one that goes. */
  *#each(): Generator<IndexedWorkspace, void, undefined> {
    for (let place = this.#all.length - 1; place >= 0; place -= 1) {
      const workspace = this.#all[place];
      if (workspace !== undefined) yield workspace;
    }
  }

  /** The binding that grants `verb` on `path` in a workspace to one of the identities, if any does. */
  find(
    workspace: Workspace,
    identities: readonly EffectiveIdentity[],
    verb: string,
    path: string,
  ): SubjectBinding | undefined {
    if (workspace.bootstrapVersion !== this.bootstrap.version) this.#refresh(workspace);
    return workspace.subjects?.findAny(identities, verb, path) ?? this.bootstrap.find(identities, verb, path);
  }

  /** Every binding that grants `verb` on `path` in a workspace; for offline questions. */
  *grantsOf(workspace: Workspace, verb: string, path: string): Generator<ClusterRoleBinding> {
    for (const index of [this.#refresh(workspace), this.bootstrap]) {
      for (const { binding } of index?.grantsOf(verb, path) ?? []) yield binding;
    }
  }

  apply(_layer: string, change: PolicyChange): void {
    const named = change.type === 'set' ? change.object : change;
    const cluster = requiredCluster(named);
    if (isSystem(cluster)) return;
    this.#version += 1;
    if (change.type === 'set') this.#set(this.#getOrAdd(cluster), change.object);
    else {
      const workspace = this.#workspaces.get(cluster);
      if (workspace !== undefined) this.#delete(workspace, named.kind, named.name);
    }
  }

  /** Builds the new policies beside the old ones, in short steps, and puts them in force in one step. */
  *replaceAll(layer: string, objects: readonly PolicyObject[]): Generator<undefined, void, undefined> {
    const next = new WorkspaceIndex(layer, this.bootstrapLayer, this.requiresLogicalCluster, this.bootstrap);
    let leaving = next.#all;
    try {
      yield* next.#fill(objects);
      leaving = this.#all;
      this.#workspaces = next.#workspaces;
      this.#all = next.#all;
      this.#claimants = next.#claimants;
      Object.assign(this.#counts, next.#counts);
      this.#version += 1;
    } finally {
      for (const { own } of leaving) if (own !== undefined) yield* own.clear(ownLayer);
    }
  }

  *#fill(objects: readonly PolicyObject[]): Generator<undefined, void, undefined> {
    const own = new Map<string, RbacObject[]>();
    for (const object of objects) {
      if (object.kind === 'LogicalCluster') this.apply(this.layer, { type: 'set', object });
      else {
        const cluster = requiredCluster(object);
        const known = own.get(cluster);
        if (known === undefined) own.set(cluster, [object]);
        else known.push(object);
      }
      yield;
    }
    for (const [cluster, ofCluster] of own) {
      if (isSystem(cluster)) continue;
      const workspace = this.#getOrAdd(cluster);
      const index = this.#addOwn(workspace);
      yield* index.fill(ownLayer, ofCluster);
      this.#counts.ClusterRole += index.size(ownLayer, 'ClusterRole');
      this.#counts.ClusterRoleBinding += index.size(ownLayer, 'ClusterRoleBinding');
      yield;
    }
  }

  /** @throws TypeError for an object that names no logical cluster. */
  keyOf(object: ObjectName): string {
    return `${requiredCluster(object)} ${object.name}`;
  }

  /** All objects of one kind, while they come and go. */
  *names(_layer: string, kind: PolicyObject['kind']): Generator<ObjectName> {
    for (const { cluster, own, logicalCluster } of this.#each()) {
      if (kind !== 'LogicalCluster') {
        for (const { name } of own?.names(ownLayer, kind) ?? []) yield { kind, name, cluster };
      } else if (logicalCluster !== undefined) yield { kind, name: logicalCluster.name, cluster };
    }
  }

  size(_layer: string, kind: PolicyObject['kind']): number {
    return this.#counts[kind];
  }

  /** Those of one workspace after another, each as they are when it is taken; meanwhile others may change. */
  *parts(): Generator<readonly PolicyObject[], void, undefined> {
    for (const { cluster, own, logicalCluster } of this.#each()) {
      const found: PolicyObject[] = logicalCluster === undefined ? [] : [logicalCluster];
      for (const object of own?.objects(ownLayer) ?? []) {
        found.push(object.kind === 'ClusterRole' ? { ...object, cluster } : object);
      }
      yield found;
    }
  }

  describe(): LayerContent {
    const { ClusterRole, ClusterRoleBinding, LogicalCluster } = this.#counts;
    return {
      inForce: true,
      clusterRoles: ClusterRole,
      clusterRoleBindings: ClusterRoleBinding,
      logicalClusters: LogicalCluster,
      workspaces: this.requiresLogicalCluster ? LogicalCluster : this.#workspaces.size,
    };
  }

  /** Bindings whose role stands neither in their workspace nor in the bootstrap policy; undefined for a step without. */
  *danglingBindings(): Generator<ClusterRoleBinding | undefined, void, undefined> {
    for (const workspace of this.#each()) {
      for (const found of this.#refresh(workspace)?.danglingBindings() ?? []) yield found?.binding;
      yield undefined;
    }
  }

  /** Resolves a workspace's own index anew where the bootstrap policy has changed since. Returns the index. */
  #refresh(workspace: IndexedWorkspace): PolicyIndex | undefined {
    if (workspace.own === undefined) return undefined;
    if (workspace.bootstrapVersion !== this.bootstrap.version) {
      workspace.own.resolve();
      workspace.bootstrapVersion = this.bootstrap.version;
    }
    return workspace.own;
  }

  #addOwn(workspace: IndexedWorkspace): PolicyIndex {
    const own = new PolicyIndex([ownLayer], undefined, this.bootstrap);
    workspace.own = own;
    workspace.subjects = own.subjects;
    workspace.bootstrapVersion = this.bootstrap.version;
    return own;
  }

  #getOrAdd(cluster: string): IndexedWorkspace {
    const known = this.#workspaces.get(cluster);
    if (known !== undefined) return known;
    const workspace: IndexedWorkspace = {
      cluster,
      place: this.#all.length,
      isKnown: !this.requiresLogicalCluster,
      logicalCluster: undefined,
      requiredGroups: undefined,
      own: undefined,
      subjects: undefined,
      bootstrapVersion: this.bootstrap.version,
    };
    this.#workspaces.set(cluster, workspace);
    this.#all.push(workspace);
    return workspace;
  }

  #set(workspace: IndexedWorkspace, object: PolicyObject): void {
    if (object.kind === 'LogicalCluster') {
      this.#setLogicalCluster(workspace, object);
      return;
    }
    this.#applyTo(workspace.own ?? this.#addOwn(workspace), object.kind, { type: 'set', object });
  }

  #delete(workspace: IndexedWorkspace, kind: PolicyObject['kind'], name: string): void {
    if (kind === 'LogicalCluster') this.#setLogicalCluster(workspace, undefined);
    else if (workspace.own !== undefined) this.#applyTo(workspace.own, kind, { type: 'delete', kind, name });
    const { own, logicalCluster } = workspace;
    if (own?.size(ownLayer, 'ClusterRole') === 0 && own.size(ownLayer, 'ClusterRoleBinding') === 0) {
      workspace.own = undefined;
      workspace.subjects = undefined;
    }
    if (workspace.own === undefined && logicalCluster === undefined) this.#forget(workspace);
  }

  #forget({ cluster, place }: IndexedWorkspace): void {
    this.#workspaces.delete(cluster);
    const last = this.#all.pop();
    if (last === undefined || last.cluster === cluster) return;
    last.place = place;
    this.#all[place] = last;
  }

  #applyTo(own: PolicyIndex, kind: RbacObject['kind'], change: Parameters<PolicyIndex['apply']>[1]): void {
    const before = own.size(ownLayer, kind);
    own.apply(ownLayer, change);
    this.#counts[kind] += own.size(ownLayer, kind) - before;
  }

  #setLogicalCluster(workspace: IndexedWorkspace, logicalCluster: LogicalCluster | undefined): void {
    const { logicalCluster: before } = workspace;
    this.#counts.LogicalCluster += Number(logicalCluster !== undefined) - Number(before !== undefined);
    workspace.logicalCluster = logicalCluster;
    workspace.isKnown = logicalCluster?.isReady ?? !this.requiresLogicalCluster;
    workspace.requiredGroups = logicalCluster?.requiredGroups?.split(';').map((all) => all.split(','));
    if (before?.path === logicalCluster?.path) return;
    if (before?.path !== undefined) {
      const others = (this.#claimants.get(before.path) ?? []).filter((other) => other !== workspace);
      if (others.length === 0) this.#claimants.delete(before.path);
      else this.#claimants.set(before.path, others);
    }
    const { path } = logicalCluster ?? {};
    if (path !== undefined) this.#claimants.set(path, [...(this.#claimants.get(path) ?? []), workspace]);
  }
}

function requiredCluster({ kind, name, cluster }: ObjectName): string {
  if (cluster === undefined) throw new TypeError(`${kind} ${name} is of no logical cluster`);
  return cluster;
}

function isSystem(cluster: string): boolean {
  return cluster.startsWith('system:');
}
