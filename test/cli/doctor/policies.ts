import { Policy } from '../../../src/policy/policy.js';
import type { ClusterRole, ClusterRoleBinding, PolicyObject, Subject } from '../../../src/policy/objects.js';

export function role(
  name: string,
  ...rules: readonly (readonly [verbs: string, urls: string])[]
): ClusterRole {
  return {
    kind: 'ClusterRole',
    name,
    rules: rules.map(([verbs, urls]) => ({ verbs: verbs.split(','), nonResourceURLs: urls.split(',') })),
  };
}

export const prometheus: Subject = { kind: 'User', name: 'prometheus' };

export function binding(
  name: string,
  roleName: string,
  options: Partial<Pick<ClusterRoleBinding, 'subjects' | 'replicated' | 'origin'>> = {},
): ClusterRoleBinding {
  return {
    kind: 'ClusterRoleBinding',
    name,
    role: roleName,
    subjects: [prometheus],
    replicated: true,
    ...options,
  };
}

/** Of layers in this order, all of them synced. */
export function policyOfLayers(layers: Readonly<Record<string, readonly PolicyObject[]>>): Policy {
  const policy = new Policy({ layers: Object.keys(layers) });
  for (const [layer, objects] of Object.entries(layers)) policy.sink(layer).replace(objects);
  return policy;
}
