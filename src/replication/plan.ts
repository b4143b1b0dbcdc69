import type { ShardLevelGrant } from '../authorization/shard-level-grants.js';
import { hasOwnEntry, isReplicated } from './annotation.js';
import type { Change, RemovalReason, RoleGrants, RootBinding, RootPolicy, RootRole } from './root-objects.js';

export interface Plan {
  /** In the order to apply them. */
  readonly changes: readonly Change[];
  /** Bindings that grant a shard-level path and stay on the root shard only. */
  readonly skipped: readonly SkippedBinding[];
}

export interface SkippedBinding extends RootBinding {
  /** What its role grants besides metrics; empty if that is resources. */
  readonly beyond: readonly ShardLevelGrant[];
}

/**
 * What has to change so that every shard has the bindings that grant a shard-level path, and their roles.
 *
 * Bindings of a role that also grants resources, other paths or other verbs are skipped: on other shards they would
 * grant those, too (to bind an APIExport of root or to read `/debug/pprof`, say), and permission to scrape must not
 * imply that. An administrator who wants it adds the annotation by hand.
 *
 * A binding whose role does not exist grants nothing and is left alone: the role may arrive later, or all roles may be
 * missing for a moment.
 *
 * Objects that are already replicated need no change, and other parties' entries are left alone. Roles are annotated
 * before the bindings that need them and released after them.
 *
 * @param bootstrap what kcp's own roles grant, by name; root's role of the same name comes first, as in kcp.
 */
export function planReplication(
  { roles, bindings }: RootPolicy,
  bootstrap: ReadonlyMap<string, RoleGrants>,
): Plan {
  const removed: Change[] = [];
  const addedRoles: Change[] = [];
  const addedBindings: Change[] = [];
  const skipped: SkippedBinding[] = [];
  const needed = new Set<RootRole>();

  for (const binding of bindings.values()) {
    const role = roles.get(binding.role);
    const grants = role?.grants ?? bootstrap.get(binding.role);
    if (grants === undefined) continue;
    const reason = binding.hasSubjects ? reasonAgainst(grants) : 'names-nobody';
    if (reason === undefined) {
      if (role !== undefined) needed.add(role);
      if (!isReplicated(binding.replicate)) {
        addedBindings.push({ action: 'add', object: binding, grants: grants.shardLevel });
      }
    } else if (hasOwnEntry(binding.replicate)) {
      removed.push({ action: 'remove', object: binding, reason });
    } else if (isTooMuch(reason) && !isReplicated(binding.replicate)) {
      skipped.push({ ...binding, beyond: grants.resources ? [] : grants.beyond });
    }
  }
  for (const role of roles.values()) {
    if (needed.has(role)) {
      if (!isReplicated(role.replicate)) {
        addedRoles.push({ action: 'add', object: role, grants: role.grants.shardLevel });
      }
    } else if (hasOwnEntry(role.replicate)) {
      removed.push({ action: 'remove', object: role, reason: reasonAgainst(role.grants) ?? 'not-bound' });
    }
  }
  return { changes: [...removed, ...addedRoles, ...addedBindings], skipped };
}

function reasonAgainst({ shardLevel, resources, beyond }: RoleGrants): RemovalReason | undefined {
  if (shardLevel.length === 0) return 'grants-no-shard-level-path';
  if (resources) return 'grants-resources';
  return beyond.length > 0 ? 'grants-beyond-metrics' : undefined;
}

function isTooMuch(reason: RemovalReason): boolean {
  return reason === 'grants-resources' || reason === 'grants-beyond-metrics';
}
