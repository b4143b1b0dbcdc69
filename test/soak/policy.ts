import { grantingPolicy } from '../e2e/scrape-policy.js';

/** Manifests that let each user get the path. */
export function policyOf(name: string, path: string, users: readonly string[]): string {
  return grantingPolicy(
    name,
    path,
    users.map((user) => ({ kind: 'User', name: user })),
  );
}
