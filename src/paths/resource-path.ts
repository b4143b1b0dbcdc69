// Kubernetes trims the slashes around a path, and counts those that double within it; kcp takes its scopes off before.
const resourcePath =
  /^\/*(?:(?:services\/cache|shards\/[^/]*|clusters\/[^/]*)\/)*(?:api|apis\/[^/]*)\/[^/]*\/[^]*[^/]/;

/**
 * Whether Kubernetes takes a decoded path for a request for a resource (`RequestInfoFactory`), which no rule of
 * non-resource URLs grants, `*` neither: `/api/<version>/<resource>` and `/apis/<group>/<version>/<resource>`, what is
 * below them, and all of these below a scope.
 */
export function isResourcePath(path: string): boolean {
  return resourcePath.test(path);
}
