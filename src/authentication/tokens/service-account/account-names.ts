const label = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const labelPattern = new RegExp(`^${label}$`);
const subdomainPattern = new RegExp(`^${label}(?:\\.${label})*$`);
const logicalCluster = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?::[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const maxLogicalClusterLength = 253;

/** A label of RFC 1123, as Kubernetes demands of a namespace's name. */
export function isNamespaceName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 63 && labelPattern.test(value);
}

/** A subdomain of RFC 1123, as Kubernetes demands of a service account's, a pod's and a node's name. */
export function isObjectName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 253 && subdomainPattern.test(value);
}

/** kcp's logical cluster: labels between colons. Without commas: its name goes into a list of scopes. */
export function isLogicalCluster(value: unknown): value is string {
  return typeof value === 'string' && value.length <= maxLogicalClusterLength && logicalCluster.test(value);
}
