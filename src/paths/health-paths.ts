/** Kubernetes' health endpoints, which answer bare and below a scope. */
export const healthPaths: readonly string[] = ['/livez', '/readyz', '/healthz'];

/** Whether a decoded, unscoped path is one of them, or a single check below it (`/readyz/ping`). */
export function isHealthPath(path: string): boolean {
  return healthPaths.some((health) => path === health || path.startsWith(`${health}/`));
}
