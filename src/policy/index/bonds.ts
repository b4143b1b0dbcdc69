import { NameTable } from '../../name-table.js';
import { coversVerb, type RoleReference, type VerbsByUrl } from './roles.js';
import type { RolesByPattern, UrlIndex } from './url-index.js';
import type { ClusterRoleBinding, Subject } from '../objects.js';

/** One subject's tie to a role by one binding. */
export interface Bond {
  readonly binding: ClusterRoleBinding;
  readonly subject: Subject;
  readonly reference: RoleReference;
}

/** What ties a subject to one role: nearly always one binding. */
type RoleBonds = Bond | Map<ClusterRoleBinding, Bond>;

/** What ties a subject to roles: nearly always one bond, which then stands here itself, without a map. */
type SubjectBonds = Bond | Map<RoleReference, RoleBonds>;

/** The bonds of all users, or of all groups, by name. */
export class SubjectTable {
  readonly #bonds = new Map<string, SubjectBonds>();
  /** In the place of the map, with many names. */
  #many: NameTable<SubjectBonds> | undefined;
  /** How many of the names fall on each slot; undefined for few names, and for many. */
  #slots: Uint32Array | undefined;
  /** For few names, of which there may be many tables: the slots, 32 each, on which any of them falls. */
  #low = 0;
  #high = 0;

  get(name: string): SubjectBonds | undefined {
    if (this.#many !== undefined) return this.#many.get(name);
    // Most of a caller's groups are in no binding, and a look-up has to hash the whole name first.
    return this.#isUnknown(name) ? undefined : this.#bonds.get(name);
  }

  #isUnknown(name: string): boolean {
    const slot = slotOf(name);
    if (this.#slots !== undefined) return this.#slots[slot] === 0;
    return (((slot & 32) === 0 ? this.#low : this.#high) & (1 << slot)) === 0;
  }

  /** A subject that stands in one binding several times is tied once. */
  tie(name: string, bond: Bond): void {
    const table = this.#many ?? this.#bonds;
    const known = table.get(name);
    if (known === undefined) {
      table.set(name, bond);
      this.#count(name, 1);
    } else if (known instanceof Map) known.set(bond.reference, joined(known.get(bond.reference), bond));
    else if (known.reference !== bond.reference) {
      table.set(
        name,
        new Map([
          [known.reference, known],
          [bond.reference, bond],
        ]),
      );
    } else if (known.binding !== bond.binding) {
      table.set(name, new Map([[bond.reference, joined(known, bond)]]));
    }
  }

  untie(name: string, reference: RoleReference, binding: ClusterRoleBinding): void {
    const known = this.get(name);
    if (known === undefined) return;
    if (!(known instanceof Map)) {
      if (known.reference === reference && known.binding === binding) this.#delete(name);
      return;
    }
    const bonds = known.get(reference);
    if (bonds instanceof Map) {
      bonds.delete(binding);
      if (bonds.size > 0) return;
    } else if (bonds?.binding !== binding) return;
    known.delete(reference);
    if (known.size === 0) this.#delete(name);
  }

  #delete(name: string): void {
    (this.#many ?? this.#bonds).delete(name);
    this.#count(name, -1);
  }

  #count(name: string, change: 1 | -1): void {
    if (this.#many !== undefined) return;
    if (this.#bonds.size > maxFiltered) {
      this.#many = new NameTable();
      for (const [known, bonds] of this.#bonds) this.#many.set(known, bonds);
      this.#bonds.clear();
      this.#slots = undefined;
    } else if (this.#slots !== undefined) this.#add(this.#slots, name, change);
    else if (this.#bonds.size > maxFewNames) {
      this.#slots = new Uint32Array(slots);
      for (const known of this.#bonds.keys()) this.#add(this.#slots, known, 1);
    } else if (change === 1) this.#mark(name);
    else {
      this.#low = 0;
      this.#high = 0;
      for (const known of this.#bonds.keys()) this.#mark(known);
    }
  }

  #add(counts: Uint32Array, name: string, change: 1 | -1): void {
    const slot = slotOf(name);
    counts[slot] = (counts[slot] ?? 0) + change;
  }

  #mark(name: string): void {
    const slot = slotOf(name);
    if ((slot & 32) === 0) this.#low |= 1 << slot;
    else this.#high |= 1 << slot;
  }
}

const slots = 4096;
const maxFewNames = 32;
/** With more names than this hardly a slot is empty. */
const maxFiltered = 2048;

/** By the length and three of the characters. */
function slotOf(name: string): number {
  const { length } = name;
  if (length === 0) return 0;
  const mixed =
    Math.imul(length, 0x9e3779b1) ^
    Math.imul(name.charCodeAt(0), 0x85ebca6b) ^
    Math.imul(name.charCodeAt(length >> 1), 0xc2b2ae35) ^
    Math.imul(name.charCodeAt(length - 1), 0x27d4eb2f);
  return mixed >>> 20;
}

/** Any one of the bonds to a role; for a decision they are all alike. */
function anyOf(bonds: RoleBonds): Bond | undefined {
  if (!(bonds instanceof Map)) return bonds;
  for (const bond of bonds.values()) return bond;
  return undefined;
}

function joined(bonds: RoleBonds | undefined, bond: Bond): RoleBonds {
  if (bonds === undefined) return bond;
  if (bonds instanceof Map) return bonds.set(bond.binding, bond);
  return bonds.binding === bond.binding
    ? bonds
    : new Map([
        [bonds.binding, bonds],
        [bond.binding, bond],
      ]);
}

/** Where a subject and a pattern both have more roles than this, what they share is looked up once. */
const many = 32;
const maxRemembered = 1024;

/**
 * Finds what a subject's roles and a path's roles have in common. One of the two is short, or else the
 * answer is remembered until the policy changes, so that neither being long matters.
 */
export class BondSearch {
  readonly #remembered = new Map<RolesByPattern, Map<SubjectBonds, Map<string, Bond | undefined>>>();
  #size = 0;

  find(subject: SubjectBonds | undefined, urls: UrlIndex, verb: string, path: string): Bond | undefined {
    if (subject === undefined) return undefined;
    if (!(subject instanceof Map)) return grantsTo(subject.reference, urls, verb, path) ? subject : undefined;
    if (subject.size <= few) {
      for (const [reference, bonds] of subject) {
        if (grantsTo(reference, urls, verb, path)) return anyOf(bonds);
      }
      return undefined;
    }
    for (const roles of urls.rolesFor(path)) {
      const found = this.#findAmong(subject, roles, verb);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** To be called at every change. */
  forget(): void {
    if (this.#size === 0) return;
    this.#remembered.clear();
    this.#size = 0;
  }

  #findAmong(subject: Map<RoleReference, RoleBonds>, roles: RolesByPattern, verb: string): Bond | undefined {
    if (subject.size <= roles.size && subject.size <= many) return bySubject(subject, roles, verb);
    if (roles.size <= many) return byPattern(subject, roles, verb);
    const known = this.#remembered.get(roles)?.get(subject);
    if (known?.has(verb) === true) return known.get(verb);
    const found =
      subject.size < roles.size ? bySubject(subject, roles, verb) : byPattern(subject, roles, verb);
    this.#remember(roles, subject, verb, found);
    return found;
  }

  #remember(roles: RolesByPattern, subject: SubjectBonds, verb: string, found: Bond | undefined): void {
    if (this.#size >= maxRemembered) this.forget();
    const ofPattern = this.#remembered.get(roles) ?? new Map<SubjectBonds, Map<string, Bond | undefined>>();
    const ofSubject = ofPattern.get(subject) ?? new Map<string, Bond | undefined>();
    this.#remembered.set(roles, ofPattern.set(subject, ofSubject.set(verb, found)));
    this.#size += 1;
  }
}

/** Of a role that grants no more than this on paths, each is compared: that takes less than looking the role up. */
const few = 8;

function grantsTo(reference: RoleReference, urls: UrlIndex, verb: string, path: string): boolean {
  if (!reference.inForce) return false;
  const { exact, prefix } = reference.grants;
  return exact.length + prefix.length <= few
    ? grantsExactly(exact, verb, path) || grantsByPrefix(prefix, verb, path)
    : urls.rolesFor(path).some((roles) => grants(reference, roles.get(reference), verb));
}

function grantsExactly(exact: VerbsByUrl, verb: string, path: string): boolean {
  for (const [url, verbs] of exact) if (url === path) return coversVerb(verbs, verb);
  return false;
}

function grantsByPrefix(prefix: VerbsByUrl, verb: string, path: string): boolean {
  for (const [url, verbs] of prefix) if (path.startsWith(url) && coversVerb(verbs, verb)) return true;
  return false;
}

function bySubject(
  subject: ReadonlyMap<RoleReference, RoleBonds>,
  roles: RolesByPattern,
  verb: string,
): Bond | undefined {
  for (const [reference, bonds] of subject) {
    if (grants(reference, roles.get(reference), verb)) return anyOf(bonds);
  }
  return undefined;
}

function byPattern(
  subject: ReadonlyMap<RoleReference, RoleBonds>,
  roles: RolesByPattern,
  verb: string,
): Bond | undefined {
  for (const [reference, verbs] of roles) {
    const bonds = subject.get(reference);
    if (bonds !== undefined && grants(reference, verbs, verb)) return anyOf(bonds);
  }
  return undefined;
}

function grants(reference: RoleReference, verbs: ReadonlySet<string> | undefined, verb: string): boolean {
  return verbs !== undefined && reference.inForce && coversVerb(verbs, verb);
}
