import { hasOwnWord, isReplicated } from './replicate-annotation.js';
import type { RoleGrants } from './role-grants.js';
import type { RootBinding, RootObject, RootPolicy, RootRole } from './root-object.js';
import type { ShardLevelGrant } from '../authorization/shard-level-grants.js';

/** Why this project's word goes from an object. */
export type Withdrawal =
  | 'grants-no-shard-level-path'
  | 'grants-resources'
  | 'grants-beyond-metrics'
  | 'names-nobody'
  /** A role that no binding needs on other shards. */
  | 'not-bound';

export type Change =
  /** The object lacks the annotation; `grants` is why it should have it. */
  | { readonly action: 'add'; readonly object: RootObject; readonly grants: readonly ShardLevelGrant[] }
  /** The object carries this project's word without need. */
  | { readonly action: 'remove'; readonly object: RootObject; readonly reason: Withdrawal };

export interface Plan {
  /** In the order to apply them. */
  readonly changes: readonly Change[];
  /** Bindings that grant a shard-level path on the root shard alone, and are left so. */
  readonly skipped: readonly SkippedBinding[];
}

export interface SkippedBinding extends RootBinding {
  /** What its role grants besides metrics; nothing where that is resources. */
  readonly beyond: readonly ShardLevelGrant[];
}

type Verdict = { readonly grants: readonly ShardLevelGrant[] } | { readonly reason: Withdrawal };

/**
 * What has to change so that every shard has the bindings that grant a shard-level path, and their roles.
 *
 * Bindings of a role that grants resources, other paths or other verbs as well are skipped: other shards would then
 * decide about those by them, too (who may bind an APIExport of root or read `/debug/pprof`, say), and letting
 * somebody scrape must not do that unasked. Who wants it adds the annotation by hand.
 *
 * A binding whose role is nowhere grants nothing and is left as it is: the role may be on its way, or all of them
 * may be gone for a moment.
 *
 * What is already replicated needs nothing, whoever wanted it; his words are left alone. Roles come before the
 * bindings that need them and go after them.
 *
 * @param bootstrap what kcp's own roles grant, by name; root's role of the same name comes first, as in kcp.
 */
export function planReplication(
  { roles, bindings }: RootPolicy,
  bootstrap: ReadonlyMap<string, RoleGrants>,
): Plan {
  const adding: { readonly roles: Change[]; readonly bindings: Change[] } = { roles: [], bindings: [] };
  const removing: typeof adding = { roles: [], bindings: [] };
  const skipped: SkippedBinding[] = [];
  const needed = new Set<RootRole>();

  for (const binding of bindings.values()) {
    const role = roles.get(binding.role);
    const grants = role?.grants ?? bootstrap.get(binding.role);
    if (grants === undefined) continue;
    const verdict = judgeBinding(binding, grants);
    if ('grants' in verdict) {
      if (role !== undefined) needed.add(role);
      if (!isReplicated(binding.replicate)) {
        adding.bindings.push({ action: 'add', object: binding, grants: verdict.grants });
      }
    } else {
      if (hasOwnWord(binding.replicate)) {
        removing.bindings.push({ action: 'remove', object: binding, reason: verdict.reason });
      }
      if (isWider(verdict.reason) && !isReplicated(binding.replicate)) {
        skipped.push({ ...binding, beyond: grants.resources ? [] : (grants.beyond ?? []) });
      }
    }
  }
  for (const role of roles.values()) {
    if (needed.has(role)) {
      if (!isReplicated(role.replicate)) {
        adding.roles.push({ action: 'add', object: role, grants: role.grants.shardLevel });
      }
    } else if (hasOwnWord(role.replicate)) {
      const verdict = judgeGrants(role.grants);
      const reason = 'grants' in verdict ? 'not-bound' : verdict.reason;
      removing.roles.push({ action: 'remove', object: role, reason });
    }
  }
  return {
    changes: [...removing.bindings, ...removing.roles, ...adding.roles, ...adding.bindings],
    skipped,
  };
}

function judgeBinding({ hasSubjects }: RootBinding, grants: RoleGrants): Verdict {
  return hasSubjects ? judgeGrants(grants) : { reason: 'names-nobody' };
}

function judgeGrants({ shardLevel, resources, beyond = [] }: RoleGrants): Verdict {
  if (shardLevel.length === 0) return { reason: 'grants-no-shard-level-path' };
  if (resources) return { reason: 'grants-resources' };
  return beyond.length > 0 ? { reason: 'grants-beyond-metrics' } : { grants: shardLevel };
}

function isWider(reason: Withdrawal): boolean {
  return reason === 'grants-resources' || reason === 'grants-beyond-metrics';
}
