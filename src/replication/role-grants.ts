import type { PolicyObject, PolicyRule } from '../policy/objects.js';
import { coversVerb, grantsOf } from '../policy/index/rules.js';
import {
  grantsBeyondMetrics,
  shardLevelGrants,
  type ShardLevelGrant,
} from '../authorization/shard-level-grants.js';

/** What a ClusterRole grants, as far as it decides whether other shards should have it. */
export interface RoleGrants {
  readonly shardLevel: readonly ShardLevelGrant[];
  /** Whether it grants anything on resources, too. */
  readonly resources: boolean;
  /** What else it grants on paths than to read metrics. Default: nothing. */
  readonly beyond?: readonly ShardLevelGrant[];
}

/** Of a role's rules for paths. */
export function pathGrants(
  name: string,
  rules: readonly PolicyRule[],
): Pick<RoleGrants, 'shardLevel' | 'beyond'> {
  const beyond = grantsBeyondMetrics(name, rules);
  return { shardLevel: shardLevelGrants(rules), ...(beyond.length === 0 ? {} : { beyond }) };
}

/**
 * kcp's own roles, which every shard has in `system:admin` and which bindings of the root workspace may name.
 * The bootstrap policy holds their rules for paths alone: whoever may do everything on every path is taken for an
 * administrator, whose other rules say the same of resources. What `system:monitoring` grants on nodes, of which
 * kcp has none, does not count.
 */
export function bootstrapRoleGrants(objects: readonly PolicyObject[]): ReadonlyMap<string, RoleGrants> {
  return new Map(
    objects.flatMap((object) =>
      object.kind === 'ClusterRole'
        ? [
            [
              object.name,
              { ...pathGrants(object.name, object.rules), resources: grantsEverything(object.rules) },
            ],
          ]
        : [],
    ),
  );
}

function grantsEverything(rules: readonly PolicyRule[]): boolean {
  return grantsOf(rules).prefix.some(([start, verbs]) => start === '' && coversVerb(verbs, '*'));
}
