// Kubernetes trims the slashes around a path, and counts those that double within it.
const resourcePath = /^\/*(?:api|apis\/[^/]*)\/[^/]*\/[^]*[^/]/;

/**
 * Whether Kubernetes takes a decoded path for a request for a resource (`RequestInfoFactory`), which no rule of
 * non-resource URLs grants, `*` neither: `/api/<version>/<resource>` and `/apis/<group>/<version>/<resource>`, and what is
 * below them.
 */
export function isResourcePath(path: string): boolean {
  return resourcePath.test(path);
}
