import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bootstrapPolicy } from '../../src/policy-sources/bootstrap.js';
import type { PolicyRule, Subject } from '../../src/rbac/objects.js';

interface RecordedPolicy {
  readonly clusterRoles: readonly { readonly name: string; readonly rules: readonly PolicyRule[] }[];
  readonly clusterRoleBindings: readonly {
    readonly name: string;
    readonly roleRef: { readonly kind: string; readonly name: string };
    readonly subjects: readonly (Subject & { readonly apiGroup: string })[];
  }[];
}

const recorded = JSON.parse(
  readFileSync(new URL('../conformance/data/bootstrap-policy.json', import.meta.url), 'utf8'),
) as RecordedPolicy;

describe('the bootstrap policy', () => {
  it('is what a running kcp was found to install', () => {
    expect(bootstrapPolicy()).toEqual([
      ...recorded.clusterRoles.map(({ name, rules }) => ({
        kind: 'ClusterRole',
        name,
        rules,
        origin: expect.any(String) as string,
      })),
      ...recorded.clusterRoleBindings.map(({ name, roleRef, subjects }) => ({
        kind: 'ClusterRoleBinding',
        name,
        role: roleRef.name,
        subjects: subjects.map((subject) => ({ kind: subject.kind, name: subject.name })),
        replicated: false,
        origin: expect.any(String) as string,
      })),
    ]);
  });

  it('is read once', () => {
    expect(bootstrapPolicy()).toBe(bootstrapPolicy());
  });

  it('says of each object where it stands', () => {
    for (const { origin } of bootstrapPolicy()) expect(origin).toMatch(/^rbac\/bootstrap-policy\.yaml:\d+$/);
  });
});
