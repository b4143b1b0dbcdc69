import { coversVerb, type RoleReference } from './roles.js';
import type { RolesByPattern } from './url-index.js';
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
export type SubjectBonds = Bond | Map<RoleReference, RoleBonds>;

/** The bonds of all users, or of all groups, by name. */
export class SubjectTable {
  readonly #bonds = new Map<string, SubjectBonds>();

  get(name: string): SubjectBonds | undefined {
    return this.#bonds.get(name);
  }

  /** A subject that stands in one binding several times is tied once. */
  tie(name: string, bond: Bond): void {
    const known = this.#bonds.get(name);
    if (known === undefined) this.#bonds.set(name, bond);
    else if (known instanceof Map) known.set(bond.reference, joined(known.get(bond.reference), bond));
    else if (known.reference !== bond.reference) {
      this.#bonds.set(
        name,
        new Map([
          [known.reference, known],
          [bond.reference, bond],
        ]),
      );
    } else if (known.binding !== bond.binding) {
      this.#bonds.set(name, new Map([[bond.reference, joined(known, bond)]]));
    }
  }

  untie(name: string, reference: RoleReference, binding: ClusterRoleBinding): void {
    const known = this.#bonds.get(name);
    if (known === undefined) return;
    if (!(known instanceof Map)) {
      if (known.reference === reference && known.binding === binding) this.#bonds.delete(name);
      return;
    }
    const bonds = known.get(reference);
    if (bonds instanceof Map) {
      bonds.delete(binding);
      if (bonds.size > 0) return;
    } else if (bonds?.binding !== binding) return;
    known.delete(reference);
    if (known.size === 0) this.#bonds.delete(name);
  }
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

  find(
    subject: SubjectBonds | undefined,
    patterns: readonly RolesByPattern[],
    verb: string,
  ): Bond | undefined {
    if (subject === undefined) return undefined;
    for (const roles of patterns) {
      const found =
        subject instanceof Map ? this.#findAmong(subject, roles, verb) : single(subject, roles, verb);
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

function single(bond: Bond, roles: RolesByPattern, verb: string): Bond | undefined {
  return grants(bond.reference, roles.get(bond.reference), verb) ? bond : undefined;
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
