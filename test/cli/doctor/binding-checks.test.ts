import { describe, expect, it } from 'vitest';
import {
  danglingBindingFindings,
  shardLevelBindings,
  subjectFindings,
  unreplicatedBindingFindings,
} from '../../../src/cli/doctor/bindings.js';
import type { ClusterRoleBinding } from '../../../src/policy/objects.js';
import { binding, policyOfLayers, role } from './policies.js';

const reader = role('reader', ['get', '/metrics']);
const bindingsOf = (...bindings: readonly ClusterRoleBinding[]) =>
  shardLevelBindings(
    policyOfLayers({
      root: [reader, role('admin', ['*', '*']), role('pods', ['get', '/pods']), ...bindings],
    }),
  );

describe('bindings to roles', () => {
  it('that are missing grant nothing', () => {
    const policy = policyOfLayers({
      directory: [binding('a', 'gone', { origin: 'a.yaml:3' }), binding('b', 'reader')],
      root: [reader, binding('c', 'lost')],
    });
    expect(danglingBindingFindings(policy)).toEqual([
      {
        level: 'warning',
        check: 'dangling-binding',
        subject: 'a.yaml:3: ClusterRoleBinding "a"',
        message:
          'names ClusterRole "gone", which does not exist, so it grants nothing: create the role or remove the binding',
      },
      expect.objectContaining({ subject: 'root: ClusterRoleBinding "c"' }),
    ]);
  });

  it('that all stand somewhere are well', () => {
    expect(danglingBindingFindings(policyOfLayers({ root: [reader, binding('a', 'reader')] }))).toEqual([]);
  });
});

describe('bindings without the annotation', () => {
  it('do not reach the other shards', () => {
    expect(unreplicatedBindingFindings(bindingsOf(binding('a', 'reader', { replicated: false })))).toEqual([
      {
        level: 'warning',
        check: 'unreplicated-binding',
        subject: 'root: ClusterRoleBinding "a"',
        message: expect.stringMatching(
          /^works on the root shard only; .* 403: annotate it with internal\.kcp\.io\/replicate: "true" \(kcp-metrics-filter replicate does that if its role only grants reading metrics\)$/,
        ) as string,
      },
    ]);
  });

  it.each([
    ['that have it', binding('a', 'reader')],
    ['to roles without metrics', binding('a', 'pods', { replicated: false })],
    ['for nobody', binding('a', 'reader', { replicated: false, subjects: [] })],
    [
      'of administrators, who should not be replicated for metrics',
      binding('a', 'admin', { replicated: false }),
    ],
  ])('are not %s', (_, each) => {
    expect(unreplicatedBindingFindings(bindingsOf(each))).toEqual([]);
  });
});

describe('subjects of bindings', () => {
  const callers = { authenticated: true, anonymous: true, serviceAccounts: false };

  it('that nobody is, and that everybody is', () => {
    const subjects = [
      { kind: 'User', name: 'prometheus' },
      { kind: 'ServiceAccount', name: 'prometheus' },
      { kind: 'Group', name: ' monitoring' },
      { kind: 'User', name: 'system:anonymous' },
    ] as const;
    const findings = subjectFindings(bindingsOf(binding('a', 'reader', { subjects })), callers);
    expect(findings.map(({ level, check, subject, message }) => [level, check, subject, message])).toEqual([
      [
        'warning',
        'unmatched-subject',
        'root: ClusterRoleBinding "a"',
        'ServiceAccount "prometheus/" has no namespace: it matches no client',
      ],
      [
        'warning',
        'unmatched-subject',
        'root: ClusterRoleBinding "a"',
        'Group " monitoring" has white space at the beginning or end of its name: it matches no client',
      ],
      [
        'warning',
        'anonymous-access',
        'root: ClusterRoleBinding "a"',
        expect.stringMatching(/^User "system:anonymous" is every client without credentials/),
      ],
    ]);
  });

  it('without namespace are told of once where a manifest was read', () => {
    const subjects = [{ kind: 'ServiceAccount', name: 'prometheus' }] as const;
    const bindings = bindingsOf(binding('a', 'reader', { subjects, origin: 'a.yaml:1' }));
    expect(subjectFindings(bindings, callers)).toEqual([]);
  });

  it('of bindings that grant no metrics are of no interest', () => {
    const subjects = [{ kind: 'User', name: 'system:anonymous' }] as const;
    expect(subjectFindings(bindingsOf(binding('a', 'pods', { subjects })), callers)).toEqual([]);
  });
});
