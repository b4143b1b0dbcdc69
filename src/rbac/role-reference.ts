import { noGrants, type Grants } from './rules.js';

/** The layer whose bindings point to a role. */
export interface ReferringLayer {
  readonly name: string;
  /** Whether its bindings grant. */
  readonly inForce: boolean;
}

/**
 * The place that bindings of one layer and one role name share. Bindings point here and rules are looked up
 * here, so that a changed role costs as much as its rules, however many bindings name it.
 */
export class RoleReference {
  grants: Grants = noGrants;
  /** Whether some layer has a role of this name. */
  resolved = false;
  bindings = 0;

  constructor(
    readonly layer: ReferringLayer,
    readonly role: string,
  ) {}
}
