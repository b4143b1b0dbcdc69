import { isShardLevelPath } from '../paths/classify.js';
import type { PolicyRule } from '../rbac/objects.js';
import { grantsOf } from '../rbac/rules.js';

/** Verbs on a shard-level path, or on a pattern ending in `*` that some shard-level path matches. */
export interface ShardLevelGrant {
  readonly url: string;
  readonly verbs: readonly string[];
}

/** What rules grant on `/metrics` or on paths below `/metrics/`, whatever the verb. */
export function shardLevelGrants(rules: readonly PolicyRule[]): readonly ShardLevelGrant[] {
  const { exact, prefix } = grantsOf(rules);
  return [
    ...exact.filter(([path]) => isShardLevelPath(path)),
    ...prefix
      .filter(([start]) => reachesShardLevelPath(start))
      .map(([start, verbs]) => [`${start}*`, verbs] as const),
  ]
    .filter(([, verbs]) => verbs.size > 0)
    .map(([url, verbs]) => ({ url, verbs: [...verbs] }));
}

function reachesShardLevelPath(prefix: string): boolean {
  return '/metrics'.startsWith(prefix) || prefix.startsWith('/metrics/');
}
