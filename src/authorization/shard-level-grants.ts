import { isShardLevelPath } from '../paths/classify.js';
import type { PolicyRule } from '../policy/objects.js';
import { grantsOf } from '../policy/index/roles.js';
import { isHealthPath } from '../paths/always-allow.js';

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

/** Kubernetes' and kcp's role for scraping: it reads what else there is to watch a server by, too. */
const forScraping = { name: 'system:monitoring', verbs: ['get', 'head'], pages: ['/flagz', '/statusz'] };

/**
 * What a role's rules grant on paths besides reading metrics: other paths, patterns that reach one, and on metrics the
 * methods of HTTP but get and head, since `DELETE /metrics` resets what a kcp counts. No request has any other verb.
 */
export function grantsBeyondMetrics(role: string, rules: readonly PolicyRule[]): readonly ShardLevelGrant[] {
  const { exact, prefix } = grantsOf(rules);
  return [
    ...exact.map(([path, verbs]) => grantBeyond(path, verbs, isShardLevelPath(path))),
    ...prefix.map(([start, verbs]) =>
      grantBeyond(`${start}*`, verbs, start === '/metrics' || start.startsWith('/metrics/')),
    ),
  ].filter((grant) => grant.verbs.length > 0 && !isForScraping(role, grant));
}

function isForScraping(role: string, { url, verbs }: ShardLevelGrant): boolean {
  return (
    role === forScraping.name &&
    (forScraping.pages.includes(url) || isHealthPath(url)) &&
    verbs.every((verb) => forScraping.verbs.includes(verb))
  );
}

const beyondReading = new Set(['*', 'connect', 'delete', 'options', 'patch', 'post', 'put', 'trace']);

function grantBeyond(url: string, verbs: ReadonlySet<string>, isOfMetrics: boolean): ShardLevelGrant {
  return { url, verbs: [...verbs].filter((verb) => !isOfMetrics || beyondReading.has(verb)) };
}

function reachesShardLevelPath(prefix: string): boolean {
  return '/metrics'.startsWith(prefix) || prefix.startsWith('/metrics/');
}
