import { BondSearch } from './bond-search.js';
import type { EffectiveIdentity } from './effective-identities.js';
import type { ClusterRoleBinding, PolicyObject, Subject } from './objects.js';
import { RoleReference } from './role-reference.js';
import { coversVerb, grantsOf, noGrants, rulesOf, type Grants } from './rules.js';
import { SubjectTable, type Bond } from './subject-table.js';
import { subjectKey, type SubjectKey } from './subjects.js';
import { UrlIndex } from './url-index.js';

export type { Bond };

export type PolicyChange =
  | { readonly type: 'set'; readonly object: PolicyObject }
  | { readonly type: 'delete'; readonly kind: PolicyObject['kind']; readonly name: string };

interface Layer {
  readonly name: string;
  readonly isFallback: boolean;
  /** Whether its bindings and its roles count. */
  inForce: boolean;
  readonly roles: Map<string, Grants>;
  readonly bindings: Map<string, ClusterRoleBinding>;
  readonly references: Map<string, RoleReference>;
}

/** An object with everything worked out that a malformed one could fail in. */
type PreparedObject =
  | { readonly kind: 'ClusterRole'; readonly name: string; readonly grants: Grants }
  | {
      readonly kind: 'ClusterRoleBinding';
      readonly name: string;
      readonly binding: ClusterRoleBinding;
      readonly subjects: readonly KeyedSubject[];
    };

interface KeyedSubject {
  readonly key: SubjectKey;
  readonly subject: Subject;
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
  readonly #layers: ReadonlyMap<string, Layer>;
  readonly #urls = new UrlIndex();
  readonly #users = new SubjectTable();
  readonly #groups = new SubjectTable();
  readonly #search = new BondSearch();

  /** Bindings' references whose role stands in no layer. */
  readonly #unresolved = new Set<RoleReference>();

  constructor(layers: readonly string[], fallbacks: ReadonlySet<string> = new Set()) {
    this.#layers = new Map(
      layers.map((name) => {
        const isFallback = fallbacks.has(name);
        const [roles, bindings, references] = [new Map(), new Map(), new Map()];
        return [name, { name, isFallback, inForce: !isFallback, roles, bindings, references }];
      }),
    );
  }

  /** The bond that grants `verb` on `path` to one of the identities, if any does. */
  find(identities: readonly EffectiveIdentity[], verb: string, path: string): Bond | undefined {
    const candidates = this.#urls.rolesFor(path);
    if (candidates.length === 0) return undefined;
    for (const { name, groups } of identities) {
      const found = this.#search.find(this.#users.get(name), candidates, verb);
      if (found !== undefined) return found;
      for (const group of groups) {
        const foundByGroup = this.#search.find(this.#groups.get(group), candidates, verb);
        if (foundByGroup !== undefined) return foundByGroup;
      }
    }
    return undefined;
  }

  /** A malformed object throws, and then nothing has changed. */
  apply(layerName: string, change: PolicyChange): void {
    const layer = this.#layer(layerName);
    if (change.type === 'set') {
      const prepared = prepare(change.object);
      this.#search.forget();
      this.#set(layer, prepared);
      return;
    }
    this.#search.forget();
    if (change.kind === 'ClusterRole') this.#deleteRole(layer, change.name);
    else this.#deleteBinding(layer, change.name);
  }

  /**
   * Puts a whole layer in the place of the old one; at no moment is a decision made on half of it. A malformed
   * object throws, and then nothing has changed.
   */
  replace(layerName: string, objects: Iterable<PolicyObject>): void {
    const layer = this.#layer(layerName);
    const prepared = Array.from(objects, prepare);
    this.#search.forget();
    const goneRoles = new Set(layer.roles.keys());
    const goneBindings = new Set(layer.bindings.keys());
    for (const object of prepared) {
      (object.kind === 'ClusterRole' ? goneRoles : goneBindings).delete(object.name);
      this.#set(layer, object);
    }
    for (const name of goneBindings) this.#deleteBinding(layer, name);
    for (const name of goneRoles) this.#deleteRole(layer, name);
  }

  /**
   * Replaces the objects of one kind, a step each; between two steps decisions may be made. What is gone goes
   * first. A malformed object throws before anything has changed.
   */
  *replaceKind(
    layerName: string,
    kind: PolicyObject['kind'],
    objects: readonly PolicyObject[],
  ): Generator<undefined, void, undefined> {
    const layer = this.#layer(layerName);
    const held: ReadonlyMap<string, unknown> = kind === 'ClusterRole' ? layer.roles : layer.bindings;
    // Where nothing is held nothing can be gone, and a large set takes its time.
    const names = held.size === 0 ? undefined : new Set<string>();
    for (const object of objects) {
      if (object.kind !== kind) throw new TypeError(`a ${object.kind} among objects of kind ${kind}`);
      const { name } = prepare(object);
      names?.add(name);
      yield;
    }
    // A map may lose members while it is walked.
    for (const name of held.keys()) {
      if (names?.has(name) === false) this.apply(layerName, { type: 'delete', kind, name });
      yield;
    }
    for (const object of objects) {
      this.apply(layerName, { type: 'set', object });
      yield;
    }
  }

  /** Whether a layer's bindings and roles count. */
  setInForce(layerName: string, inForce: boolean): void {
    const layer = this.#layer(layerName);
    if (layer.inForce === inForce) return;
    layer.inForce = inForce;
    this.#search.forget();
  }

  hasDanglingBindings(): boolean {
    return this.#unresolved.size > 0;
  }

  /** All that a layer holds. Roles are worded anew from what they grant. */
  objects(layerName: string): readonly PolicyObject[] {
    const { roles, bindings } = this.#layer(layerName);
    return [
      ...Array.from(roles, ([name, grants]): PolicyObject => ({
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

  /** Whether the role behind a reference, where it is in force, grants `verb` on `path`. */
  covers(reference: RoleReference, verb: string, path: string): boolean {
    if (!reference.inForce) return false;
    return this.#urls.rolesFor(path).some((roles) => {
      const verbs = roles.get(reference);
      return verbs !== undefined && coversVerb(verbs, verb);
    });
  }

  /** How many objects a layer holds, and whether they count. */
  describe(layerName: string): {
    readonly inForce: boolean;
    readonly clusterRoles: number;
    readonly clusterRoleBindings: number;
  } {
    const { inForce, roles, bindings } = this.#layer(layerName);
    return { inForce, clusterRoles: roles.size, clusterRoleBindings: bindings.size };
  }

  #layer(name: string): Layer {
    const layer = this.#layers.get(name);
    if (layer === undefined) throw new RangeError(`no policy layer ${JSON.stringify(name)}`);
    return layer;
  }

  #set(layer: Layer, object: PreparedObject): void {
    if (object.kind === 'ClusterRole') {
      layer.roles.set(object.name, object.grants);
      this.#resolveAll(object.name);
    } else this.#setBinding(layer, object.binding, object.subjects);
  }

  #deleteRole(layer: Layer, name: string): void {
    if (layer.roles.delete(name)) this.#resolveAll(name);
  }

  /** A role may be seen from its own layer and from every one before. */
  #resolveAll(roleName: string): void {
    for (const layer of this.#layers.values()) {
      const reference = layer.references.get(roleName);
      if (reference !== undefined) this.#resolve(reference);
    }
  }

  #resolve(reference: RoleReference): void {
    const provider = this.#providerSeenFrom(reference.layer.name, reference.role);
    this.#urls.remove(reference, reference.grants);
    reference.provider = provider;
    if (reference.resolved) this.#unresolved.delete(reference);
    else this.#unresolved.add(reference);
    reference.grants = provider?.roles.get(reference.role) ?? noGrants;
    this.#urls.add(reference, reference.grants);
  }

  #providerSeenFrom(layerName: string, roleName: string): Layer | undefined {
    let reached = false;
    for (const [name, layer] of this.#layers) {
      reached ||= name === layerName;
      const isSeen = reached && (name === layerName || !layer.isFallback);
      if (isSeen && layer.roles.has(roleName)) return layer;
    }
    return undefined;
  }

  #setBinding(layer: Layer, binding: ClusterRoleBinding, subjects: readonly KeyedSubject[]): void {
    this.#deleteBinding(layer, binding.name);
    const reference = this.#reference(layer, binding.role);
    reference.bindings += 1;
    for (const { key, subject } of subjects) {
      this.#table(key).tie(key.name, { binding, subject, reference });
    }
    layer.bindings.set(binding.name, binding);
  }

  #deleteBinding(layer: Layer, name: string): void {
    const binding = layer.bindings.get(name);
    const reference = binding === undefined ? undefined : layer.references.get(binding.role);
    if (binding === undefined || reference === undefined) return;
    layer.bindings.delete(name);
    for (const subject of binding.subjects) {
      const key = subjectKey(subject);
      if (key !== undefined) this.#table(key).untie(key.name, reference, binding);
    }
    reference.bindings -= 1;
    if (reference.bindings > 0) return;
    layer.references.delete(reference.role);
    this.#unresolved.delete(reference);
    this.#urls.remove(reference, reference.grants);
  }

  #reference(layer: Layer, role: string): RoleReference {
    const known = layer.references.get(role);
    if (known !== undefined) return known;
    const reference = new RoleReference(layer, role);
    layer.references.set(role, reference);
    this.#resolve(reference);
    return reference;
  }

  #table(key: SubjectKey): SubjectTable {
    return key.kind === 'user' ? this.#users : this.#groups;
  }
}

function prepare(object: PolicyObject): PreparedObject {
  const { kind, name } = object;
  if (kind === 'ClusterRole') return { kind, name, grants: grantsOf(object.rules) };
  const subjects: KeyedSubject[] = [];
  for (const subject of object.subjects) {
    const key = subjectKey(subject);
    if (key !== undefined) subjects.push({ key, subject });
  }
  return { kind, name, binding: object, subjects };
}
