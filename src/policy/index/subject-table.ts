import type { ClusterRoleBinding, Subject } from '../objects.js';
import type { RoleReference } from './role-reference.js';

/** One subject's tie to a role by one binding. */
export interface Bond {
  readonly binding: ClusterRoleBinding;
  readonly subject: Subject;
  readonly reference: RoleReference;
}

/** What ties a subject to one role: nearly always one binding. */
export type RoleBonds = Bond | Map<ClusterRoleBinding, Bond>;

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
export function anyOf(bonds: RoleBonds): Bond | undefined {
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
