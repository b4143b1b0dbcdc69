import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedError } from '../../../src/kubernetes/kubernetes-errors.js';
import { clusterRoleBindingOf, clusterRoleOf } from '../../../src/policy/sources/kubernetes-object.js';

function recorded(name: string): readonly unknown[] {
  const url = new URL(`data/${name}.json`, import.meta.url);
  return (JSON.parse(readFileSync(url, 'utf8')) as { readonly items: readonly unknown[] }).items;
}

describe('objects recorded from a kcp', () => {
  it.each(['root', 'cache'])('%s: ClusterRoles keep no resource rules and no managed fields', (server) => {
    const roles = recorded(`${server}-clusterroles`).map(clusterRoleOf);
    expect(roles.length).toBeGreaterThan(0);
    for (const role of roles) {
      expect(Object.keys(role)).toEqual(['kind', 'name', 'rules']);
      expect(role.rules.every(({ nonResourceURLs }) => nonResourceURLs.length > 0)).toBe(true);
    }
  });

  it.each(['root', 'cache'])('%s: ClusterRoleBindings keep role, subjects and the annotation', (server) => {
    const bindings = recorded(`${server}-clusterrolebindings`).map(clusterRoleBindingOf);
    expect(bindings.find(({ name }) => name === 'pmr-replicated')).toEqual({
      kind: 'ClusterRoleBinding',
      name: 'pmr-replicated',
      role: 'system:kcp:metrics-reader',
      subjects: [
        { kind: 'User', name: 'prometheus' },
        { kind: 'Group', name: 'monitoring' },
      ],
      replicated: true,
    });
    // The cache server holds nothing else; root does.
    expect(bindings.every(({ replicated }) => replicated)).toBe(server === 'cache');
  });
});

const metadata = { name: 'x' };
const roleRef = { kind: 'ClusterRole', name: 'reader' };

describe('a ClusterRole', () => {
  it('keeps the rules for paths alone', () => {
    const rules = [
      { verbs: ['get'], apiGroups: [''], resources: ['secrets'] },
      { verbs: ['get', 'head'], nonResourceURLs: ['/metrics', '/metrics/*'] },
      { verbs: ['*'], nonResourceURLs: [] },
    ];
    expect(clusterRoleOf({ metadata, rules })).toEqual({
      kind: 'ClusterRole',
      name: 'x',
      rules: [{ verbs: ['get', 'head'], nonResourceURLs: ['/metrics', '/metrics/*'] }],
    });
  });

  it('may have no rules, as an aggregated one that nothing was gathered for', () => {
    expect(clusterRoleOf({ metadata, rules: null })).toEqual({ kind: 'ClusterRole', name: 'x', rules: [] });
    expect(clusterRoleOf({ metadata })).toMatchObject({ rules: [] });
  });
});

describe('a ClusterRoleBinding', () => {
  it('keeps a service account with its namespace', () => {
    const subjects = [
      { kind: 'ServiceAccount', name: 'prometheus', namespace: 'monitoring' },
      { kind: 'ServiceAccount', name: 'homeless' },
    ];
    expect(clusterRoleBindingOf({ metadata, roleRef, subjects }).subjects).toEqual([
      { kind: 'ServiceAccount', name: 'prometheus', namespace: 'monitoring' },
      { kind: 'ServiceAccount', name: 'homeless' },
    ]);
  });

  it('leaves out subjects that nobody can be, and grants nothing by a reference that is no ClusterRole', () => {
    const subjects = [
      { kind: 'Robot', name: 'r2' },
      { kind: 'User', name: 'ann' },
    ];
    expect(clusterRoleBindingOf({ metadata, roleRef, subjects }).subjects).toEqual([
      { kind: 'User', name: 'ann' },
    ]);
    expect(
      clusterRoleBindingOf({ metadata, roleRef: { kind: 'Role', name: 'reader' }, subjects }).subjects,
    ).toEqual([]);
  });

  it.each([
    ['manual', true],
    ['', false],
  ])('with the annotation %j is replicated: %s', (value, replicated) => {
    const annotations = { 'internal.kcp.io/replicate': value };
    expect(clusterRoleBindingOf({ metadata: { ...metadata, annotations }, roleRef })).toMatchObject({
      replicated,
    });
  });

  it('is not replicated by an annotation that it inherits', () => {
    const annotations = JSON.parse('{"__proto__":{"internal.kcp.io/replicate":"x"}}') as object;
    expect(clusterRoleBindingOf({ metadata: { ...metadata, annotations }, roleRef }).replicated).toBe(false);
  });
});

describe('what is no such object', () => {
  it.each([
    ['null', null],
    ['a list', []],
    ['no metadata', { roleRef }],
    ['no name', { metadata: {}, roleRef }],
    ['an empty name', { metadata: { name: '' }, roleRef }],
    ['a name that is a number', { metadata: { name: 5 }, roleRef }],
    ['no roleRef', { metadata }],
    ['subjects that are no list', { metadata, roleRef, subjects: {} }],
    ['a subject without a name', { metadata, roleRef, subjects: [{ kind: 'User' }] }],
    ['a subject that is null', { metadata, roleRef, subjects: [null] }],
    ['annotations that are a list', { metadata: { ...metadata, annotations: [] }, roleRef }],
  ])('%s is refused as a binding', (_, object) => {
    expect(() => clusterRoleBindingOf(object)).toThrow(MalformedError);
  });

  it.each([
    ['rules that are an object', { metadata, rules: {} }],
    ['a rule that is a string', { metadata, rules: ['*'] }],
    ['URLs that are no strings', { metadata, rules: [{ verbs: ['get'], nonResourceURLs: [1] }] }],
    ['verbs that are a string', { metadata, rules: [{ verbs: 'get', nonResourceURLs: ['/'] }] }],
  ])('%s are refused in a role', (_, object) => {
    expect(() => clusterRoleOf(object)).toThrow(MalformedError);
  });

  it('never ends in another error, whatever it is', () => {
    const part = fc.oneof(fc.jsonValue(), fc.constant({ name: 'x' }));
    const object = fc.oneof(
      fc.jsonValue(),
      fc.record({ metadata: part, roleRef: part, subjects: part, rules: part }, { requiredKeys: [] }),
    );
    fc.assert(
      fc.property(object, fc.constantFrom(clusterRoleOf, clusterRoleBindingOf), (value, decode) => {
        try {
          expect(decode(value).name).not.toBe('');
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
