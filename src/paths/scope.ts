/** What a URL prefix selects. `*` stands for all of them, an empty string never occurs. */
export interface Scope {
  /** The shard of a cache server's `/shards/<shard>`. */
  readonly shard?: string;
  /** The logical cluster of `/clusters/<logical cluster>`. */
  readonly cluster?: string;
}

const clusterPath = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?::[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const systemCluster = /^system:[a-z0-9-]+$/;
const shardName = /^[a-z0-9\-:]{1,61}$/;

/** A logical cluster's name or path (`root:org:team`), or `*`. */
export function isClusterPath(name: string): boolean {
  return name === '*' || clusterPath.test(name);
}

/**
 * A single logical cluster: a cache server stores objects by name, never by path. kcp's own clusters
 * (`system:admin`) are names that hold a colon.
 */
export function isLogicalClusterName(name: string): boolean {
  return !name.includes(':') || systemCluster.test(name);
}

/** A shard's name, or `*`. */
export function isShardName(name: string): boolean {
  return name === '*' || shardName.test(name);
}
