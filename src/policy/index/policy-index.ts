import { runAll } from '../../time-slice.js';
import { subjectKey, type ClusterRoleBinding, type PolicyObject, type RbacObject } from '../objects.js';
import type { EffectiveIdentity } from './effective-identities.js';
import {
  grantsInSteps,
  grantsOf,
  RoleReference,
  rulesOf,
  type Force,
  type Grants,
  type LayerOfReference,
} from './roles.js';
import { GrantSearch, SubjectTable, type SubjectBinding } from './subject-bindings.js';

/** What tells an object of the policy apart. */
export interface ObjectName {
  readonly kind: PolicyObject['kind'];
  readonly name: string;
  /** The logical cluster it belongs to; only in a policy of many. */
  readonly cluster?: string | undefined;
}

export type PolicyChange =
  { readonly type: 'set'; readonly object: PolicyObject } | ({ readonly type: 'delete' } & ObjectName);

/** How many objects a layer holds, and whether they count. */
export interface LayerContent {
  /** Whether it is used for decisions: a fallback waits until it is needed. */
  readonly inForce: boolean;
  readonly clusterRoles: number;
  readonly clusterRoleBindings: number;
  /** Of the layer that holds the policy of many workspaces: its LogicalClusters, and the workspaces. */
  readonly logicalClusters?: number;
  readonly workspaces?: number;
}

/** A change of one logical cluster's policy. */
type RbacChange =
  | { readonly type: 'set'; readonly object: RbacObject }
  | { readonly type: 'delete'; readonly kind: RbacObject['kind']; readonly name: string };

interface Layer {
  readonly name: string;
  readonly isFallback: boolean;
  /** Whether its bindings and its roles count. */
  readonly force: Force;
  readonly roles: Map<string, Grants>;
  readonly bindings: Map<string, ClusterRoleBinding>;
  readonly references: Map<string, RoleReference>;
}

/**
 * The policy, held so that a decision looks up the caller's own names: its cost grows neither with the
 * bindings nor with the roles, and a change costs what the changed object holds.
 *
 * Layers keep sources apart. A binding's role is looked for in its own layer, then in those named after it,
 * as kcp looks first into the root workspace and then into its bootstrap policy. A fallback holds another
 * layer's policy a second time: it grants nothing until it is put in force, and its roles are its own alone.
 */
export class PolicyIndex {
  readonly #layers: Map<string, Layer>;
  /** Layers that are being built, each to replace the one of its name once it is whole. */
  readonly #arriving = new Set<Layer>();
  /** Who is bound to what; asking it directly gives the same answers as `find`. */
  readonly subjects: SubjectTable;
  readonly #outer: PolicyIndex | undefined;
  /** That of the outer index, so that a small one takes little memory. */
  readonly #search: GrantSearch;
  #version = 0;

  /** Bindings' references whose role stands in no layer. */
  readonly #unresolved = new Set<RoleReference>();

  /**
   * @param outer where a role is looked for that stands in no layer; `resolve` is to be called when that has changed. Its
   * bindings do not count. An inner index is always in force: it is filled and cleared, not replaced.
   */
  constructor(layers: readonly string[], fallbacks: ReadonlySet<string> = new Set(), outer?: PolicyIndex) {
    this.#outer = outer;
    this.#search = outer === undefined ? new GrantSearch() : outer.#search;
    this.subjects = new SubjectTable(this.#search);
    this.#layers = new Map(
      layers.map((name) => {
        const isFallback = fallbacks.has(name);
        return [name, emptyLayer(name, isFallback, outer === undefined ? { isOn: !isFallback } : alwaysOn)];
      }),
    );
  }

  /** Grows with each change. */
  get version(): number {
    return this.#version;
  }

  /** The binding that grants `verb` on `path` to one of the identities, if any does. `byName`: by no pattern. */
  find(
    identities: readonly EffectiveIdentity[],
    verb: string,
    path: string,
    byName = false,
  ): SubjectBinding | undefined {
    if (this.#search.urls.rolesFor(path, byName).length === 0) return undefined;
    return this.subjects.findAny(identities, verb, path, byName);
  }

  /** A malformed object throws, and then nothing has changed. */
  apply(layerName: string, change: RbacChange): void {
    const layer = this.#layer(layerName);
    this.#changed();
    if (change.type === 'delete') {
      const binding = change.kind === 'ClusterRoleBinding' ? layer.bindings.get(change.name) : undefined;
      if (binding !== undefined) runAll(this.#unbind(layer, binding));
      else if (change.kind === 'ClusterRole' && layer.roles.delete(change.name)) {
        this.#resolveAll(change.name);
      }
    } else if (change.object.kind === 'ClusterRole') {
      const { name, rules } = change.object;
      layer.roles.set(name, grantsOf(rules));
      this.#resolveAll(name);
    } else runAll(this.#bind(layer, change.object));
  }

  /**
   * Puts a whole layer in the place of the old one, in short steps, between which decisions are made on the old one: the
   * new one is built beside it, not in force, and they change places in one step. A malformed object throws, and then
   * nothing has changed. The caller must take every step.
   */
  *replaceAll(layerName: string, objects: readonly RbacObject[]): Generator<undefined, void, undefined> {
    const { isFallback } = this.#layer(layerName);
    const layer = emptyLayer(layerName, isFallback, { isOn: false });
    let leaving = layer;
    this.#arriving.add(layer);
    try {
      yield* this.#fill(layer, objects);
      leaving = this.#swap(layer);
    } finally {
      this.#arriving.delete(layer);
      yield* this.#clear(leaving);
    }
  }

  /** Adds all objects to a layer on which no decisions are made yet, in short steps. */
  fill(layerName: string, objects: readonly RbacObject[]): Generator<undefined, void, undefined> {
    return this.#fill(this.#layer(layerName), objects);
  }

  /** Removes the bindings of a layer on which no decisions are made any more, in short steps. */
  clear(layerName: string): Generator<undefined, void, undefined> {
    return this.#clear(this.#layer(layerName));
  }

  *#fill(layer: Layer, objects: readonly RbacObject[]): Generator<undefined, void, undefined> {
    // Roles first: each binding then finds its own.
    for (const object of objects) {
      if (object.kind === 'ClusterRole') layer.roles.set(object.name, yield* grantsInSteps(object.rules));
      yield;
    }
    for (const object of objects) {
      if (object.kind === 'ClusterRoleBinding') yield* this.#bind(layer, object);
      yield;
    }
  }

  *#clear(layer: Layer): Generator<undefined, void, undefined> {
    for (const binding of layer.bindings.values()) {
      yield* this.#unbind(layer, binding);
      yield;
    }
  }

  /** Whether a layer's bindings and roles count. */
  setInForce(layerName: string, inForce: boolean): void {
    const { force } = this.#layer(layerName);
    if (force.isOn === inForce) return;
    force.isOn = inForce;
    this.#changed();
  }

  /** Looks for every role anew; to be called when the outer index has changed. */
  resolve(): void {
    for (const { references } of this.#layers.values()) {
      for (const reference of references.values()) this.#resolve(reference);
    }
    this.#changed();
  }

  keyOf({ name }: ObjectName): string {
    return name;
  }

  /** A layer's objects of one kind; some may go while these are walked. */
  *names(layerName: string, kind: RbacObject['kind']): Generator<ObjectName> {
    for (const name of this.#held(layerName, kind).keys()) yield { kind, name };
  }

  /** How many objects of one kind a layer holds. */
  size(layerName: string, kind: RbacObject['kind']): number {
    return this.#held(layerName, kind).size;
  }

  #held(layerName: string, kind: RbacObject['kind']): ReadonlyMap<string, unknown> {
    const { roles, bindings } = this.#layer(layerName);
    return kind === 'ClusterRole' ? roles : bindings;
  }

  /** All that a layer holds. Roles are worded anew from what they grant. */
  objects(layerName: string): readonly RbacObject[] {
    const { roles, bindings } = this.#layer(layerName);
    return [
      ...Array.from(roles, ([name, grants]): RbacObject => ({
        kind: 'ClusterRole',
        name,
        rules: rulesOf(grants),
      })),
      ...bindings.values(),
    ];
  }

  /** All bindings with the rules of their role, for offline questions; walks the whole policy. */
  *bindings(): Generator<{ layer: string; binding: ClusterRoleBinding; reference: RoleReference }> {
    for (const [name, layer] of this.#layers) {
      for (const binding of layer.bindings.values()) {
        const reference = layer.references.get(binding.role);
        if (reference !== undefined) yield { layer: name, binding, reference };
      }
    }
  }

  /** Every binding that grants `verb` on `path`, likewise. */
  *grantsOf(
    verb: string,
    path: string,
    byName = false,
  ): Generator<{ layer: string; binding: ClusterRoleBinding }> {
    for (const { layer, binding, reference } of this.bindings()) {
      if (this.#search.grants(reference, verb, path, byName)) yield { layer, binding };
    }
  }

  /** Bindings whose role stands in no layer. If there are any, all are searched: undefined for a step without. */
  *danglingBindings(): Generator<{ layer: string; binding: ClusterRoleBinding } | undefined> {
    if (this.#unresolved.size === 0) return;
    for (const { layer, binding, reference } of this.bindings()) {
      yield reference.resolved ? undefined : { layer, binding };
    }
  }

  describe(layerName: string): LayerContent {
    const { force, roles, bindings } = this.#layer(layerName);
    return { inForce: force.isOn, clusterRoles: roles.size, clusterRoleBindings: bindings.size };
  }

  #layer(name: string): Layer {
    const layer = this.#layers.get(name);
    if (layer === undefined) throw new RangeError(`no policy layer ${JSON.stringify(name)}`);
    return layer;
  }

  /** A role may be seen from its own layer and from every one before. */
  #resolveAll(roleName: string): void {
    for (const layers of [this.#layers.values(), this.#arriving]) {
      for (const layer of layers) {
        const reference = layer.references.get(roleName);
        if (reference !== undefined) this.#resolve(reference);
      }
    }
  }

  #resolve(reference: RoleReference): void {
    const { urls } = this.#search;
    urls.remove(reference, reference.grants);
    this.#pointToRole(reference);
    urls.add(reference, reference.grants);
  }

  #pointToRole(reference: RoleReference): void {
    reference.resolve(this.#providerSeenFrom(reference.layer, reference.role));
    if (reference.resolved) this.#unresolved.delete(reference);
    else this.#unresolved.add(reference);
  }

  #providerSeenFrom(from: LayerOfReference, roleName: string): LayerOfReference | undefined {
    let reached = false;
    for (const [name, layer] of this.#layers) {
      const isOwn = name === from.name;
      reached ||= isOwn;
      // One that is still arriving sees itself in its place.
      const seen = isOwn ? from : layer;
      if (reached && (isOwn || !layer.isFallback) && seen.roles.has(roleName)) return seen;
    }
    return this.#outer === undefined ? undefined : this.#outer.#providerOf(roleName);
  }

  #providerOf(roleName: string): LayerOfReference | undefined {
    for (const layer of this.#layers.values()) if (layer.roles.has(roleName)) return layer;
    return undefined;
  }

  /**
   * Adds a binding, or replaces the one of its name: in one go, or in steps where the layer is not in force. A malformed
   * one throws, and then nothing has changed.
   */
  *#bind(layer: Layer, binding: ClusterRoleBinding): Generator<undefined, void, undefined> {
    let done = 0;
    for (const subject of binding.subjects) {
      subjectKey(subject);
      done += 1;
      if (done % maxPart === 0) yield;
    }
    const earlier = layer.bindings.get(binding.name);
    if (earlier !== undefined) yield* this.#unbind(layer, earlier);
    let reference = layer.references.get(binding.role);
    if (reference === undefined) {
      reference = new RoleReference(layer, binding.role);
      layer.references.set(binding.role, reference);
      this.#pointToRole(reference);
      const { grants } = reference;
      for (const part of partsOf(grants)) {
        // Meanwhile the role of another layer may have come in the place of this one.
        if (reference.grants !== grants) break;
        this.#search.urls.add(reference, part);
        yield;
      }
    }
    reference.bindings += 1;
    layer.bindings.set(binding.name, binding);
    for (const subject of binding.subjects) {
      const key = subjectKey(subject);
      if (key !== undefined) this.subjects.add(key, { binding, subject, reference });
      done += 1;
      if (done % maxPart === 0) yield;
    }
  }

  /** Removes a binding: in one go, or in steps where the layer is not in force. */
  *#unbind(layer: Layer, binding: ClusterRoleBinding): Generator<undefined, void, undefined> {
    const reference = layer.references.get(binding.role);
    layer.bindings.delete(binding.name);
    if (reference === undefined) return;
    let done = 0;
    for (const subject of binding.subjects) {
      const key = subjectKey(subject);
      if (key !== undefined) this.subjects.remove(key, { reference, binding });
      done += 1;
      if (done % maxPart === 0) yield;
    }
    reference.bindings -= 1;
    if (reference.bindings > 0) return;
    layer.references.delete(binding.role);
    this.#unresolved.delete(reference);
    for (const part of partsOf(reference.grants)) {
      this.#search.urls.remove(reference, part);
      yield;
    }
  }

  /** Puts a layer that has arrived in the place of the one of its name, which it returns. */
  #swap(layer: Layer): Layer {
    const old = this.#layer(layer.name);
    this.#changed();
    layer.force.isOn = old.force.isOn;
    old.force.isOn = false;
    this.#layers.set(layer.name, layer);
    for (const before of this.#layers.values()) {
      if (before === layer) break;
      for (const [role, reference] of before.references) {
        if (old.roles.has(role) || layer.roles.has(role)) this.#resolve(reference);
      }
    }
    return old;
  }

  #changed(): void {
    this.#version += 1;
    this.#search.forget();
  }
}

const alwaysOn: Force = { isOn: true };

/** URLs or subjects that are handled in one step. */
const maxPart = 64;

function* partsOf({ exact, prefix }: Grants): Generator<Grants, void, undefined> {
  for (let at = 0; at < Math.max(exact.length, prefix.length); at += maxPart) {
    yield { exact: exact.slice(at, at + maxPart), prefix: prefix.slice(at, at + maxPart) };
  }
}

function emptyLayer(name: string, isFallback: boolean, force: Force): Layer {
  return { name, isFallback, force, roles: new Map(), bindings: new Map(), references: new Map() };
}

/** Throws what putting the object into the index would throw. */
export function refuseMalformed(object: PolicyObject): void {
  if (object.kind === 'ClusterRole') grantsOf(object.rules);
  else if (object.kind === 'ClusterRoleBinding') for (const subject of object.subjects) subjectKey(subject);
}
