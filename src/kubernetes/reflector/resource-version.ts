const decimal = /^(?:0|[1-9][0-9]*)$/;

/**
 * Whether a resourceVersion is older than another. Those that are decimal integers have an order (KEP-5504); any
 * others can only be told apart, and none is older.
 */
export function isOlder(resourceVersion: string, other: string): boolean {
  if (!decimal.test(resourceVersion) || !decimal.test(other)) return false;
  if (resourceVersion.length !== other.length) return resourceVersion.length < other.length;
  return resourceVersion < other;
}
