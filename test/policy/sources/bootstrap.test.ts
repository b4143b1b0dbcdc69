import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bootstrapObjects, bootstrapPolicy } from '../../../src/policy/sources/bootstrap.js';
import { parseManifest } from '../../../src/policy/sources/manifest.js';
import type { PolicyRule, Subject } from '../../../src/policy/objects.js';

interface RecordedPolicy {
  readonly clusterRoles: readonly { readonly name: string; readonly rules: readonly PolicyRule[] }[];
  readonly clusterRoleBindings: readonly {
    readonly name: string;
    readonly roleRef: { readonly kind: string; readonly name: string };
    readonly subjects: readonly (Subject & { readonly apiGroup: string })[];
  }[];
}

const recorded = JSON.parse(
  readFileSync(new URL('../../conformance/data/bootstrap-policy.json', import.meta.url), 'utf8'),
) as RecordedPolicy;

/** Names of the ClusterRoles that a running kcp was found to have in `system:admin`. */
const recordedNames = JSON.parse(
  readFileSync(new URL('data/system-admin-clusterrole-names.json', import.meta.url), 'utf8'),
) as readonly string[];

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

  it('stands among all roles that kcp has there, of which the others grant no path', () => {
    const roles = bootstrapObjects().filter(({ kind }) => kind === 'ClusterRole');
    expect(roles.map(({ name }) => name).sort()).toEqual([...recordedNames].sort());
    expect(bootstrapObjects().slice(0, bootstrapPolicy().length)).toEqual(bootstrapPolicy());
    for (const role of bootstrapObjects().slice(bootstrapPolicy().length)) {
      expect(role).toMatchObject({ kind: 'ClusterRole', rules: [] });
    }
  });

  it('is what rbac/bootstrap-policy.yaml says, line by line', () => {
    const file = 'rbac/bootstrap-policy.yaml';
    const text = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
    expect(bootstrapPolicy()).toEqual(parseManifest(text, file).objects);
  });
});
