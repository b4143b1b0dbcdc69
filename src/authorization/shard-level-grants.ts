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

/**
 * What rules grant on paths besides reading metrics: other paths, patterns that reach one, and on metrics the methods of
 * HTTP but get and head, since `DELETE /metrics` resets what a kcp counts. No request has any other verb.
 */
export function grantsBeyondMetrics(rules: readonly PolicyRule[]): readonly ShardLevelGrant[] {
  const { exact, prefix } = grantsOf(rules);
  return [
    ...exact.map(([path, verbs]) => grantBeyond(path, verbs, isShardLevelPath(path))),
    ...prefix.map(([start, verbs]) =>
      grantBeyond(`${start}*`, verbs, start === '/metrics' || start.startsWith('/metrics/')),
    ),
  ].filter(({ verbs }) => verbs.length > 0);
}

const beyondReading = new Set(['*', 'connect', 'delete', 'options', 'patch', 'post', 'put', 'trace']);

function grantBeyond(url: string, verbs: ReadonlySet<string>, isOfMetrics: boolean): ShardLevelGrant {
  return { url, verbs: [...verbs].filter((verb) => !isOfMetrics || beyondReading.has(verb)) };
}

function reachesShardLevelPath(prefix: string): boolean {
  return '/metrics'.startsWith(prefix) || prefix.startsWith('/metrics/');
}
