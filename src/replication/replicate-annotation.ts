/**
 * This project's word in the annotation `internal.kcp.io/replicate`. Where that has a value, kcp copies a
 * ClusterRole or ClusterRoleBinding to its cache server, and so to the other shards. The value is a list of words
 * separated by commas, one for each who wants the object copied: everybody adds and removes his own and leaves
 * the others' alone.
 */
export const ownWord = 'kcp-metrics-filter';

/** An empty value copies nothing. */
export function isReplicated(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

export function hasOwnWord(value: string | undefined): boolean {
  return value?.split(',').includes(ownWord) ?? false;
}

/** What is left of the value; undefined where nobody else wants the object copied. */
export function withoutOwnWord(value: string): string | undefined {
  const others = value.split(',').filter((word) => word !== ownWord);
  return others.every((word) => word === '') ? undefined : others.join(',');
}
