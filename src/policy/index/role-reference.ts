import { noGrants, type Grants } from './rules.js';

/** A layer of the policy, as a reference sees it. */
export interface LayerOfReference {
  readonly name: string;
  readonly roles: ReadonlyMap<string, Grants>;
  /** Whether decisions are made on it. */
  readonly inForce: boolean;
}

/**
 * The place that bindings of one layer and one role name share. Bindings point here and rules are looked up
 * here, so that a changed role costs as much as its rules, however many bindings name it.
 */
export class RoleReference {
  grants: Grants = noGrants;
  /** The layer that has the role; undefined where none has. */
  provider: LayerOfReference | undefined;
  bindings = 0;

  constructor(
    /** Whose bindings point here. */
    readonly layer: LayerOfReference,
    readonly role: string,
  ) {}

  /** Whether some layer has a role of this name. */
  get resolved(): boolean {
    return this.provider !== undefined;
  }

  /** Whether both are in force, the layer with the bindings and that with the role. */
  get inForce(): boolean {
    return this.layer.inForce && this.provider?.inForce === true;
  }
}
