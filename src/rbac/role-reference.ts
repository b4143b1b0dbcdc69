import { noGrants, type Grants } from './rules.js';

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
    readonly layer: string,
    readonly role: string,
  ) {}
}
