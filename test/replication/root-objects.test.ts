import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBinding, decodeRole } from '../../src/replication/root-objects.js';
import { getMetrics, getPods, rootRole, sentBinding, sentRole } from './root-objects.js';
import { MalformedError } from '../../src/kubernetes/kubernetes-errors.js';

describe('an object of root', () => {
  it('is reduced to what decides', () => {
    expect(decodeRole(sentRole('own', [getMetrics, getPods], 'manual'))).toEqual({
      kind: 'ClusterRole',
      name: 'own',
      uid: 'uid-own',
      resourceVersion: '1',
      replicate: 'manual',
      grants: { shardLevel: [{ url: '/metrics', verbs: ['get'] }], resources: true, beyond: [] },
    });
    expect(decodeBinding(sentBinding('b', 'own'))).toEqual({
      kind: 'ClusterRoleBinding',
      name: 'b',
      uid: 'uid-b',
      resourceVersion: '1',
      replicate: undefined,
      role: 'own',
      hasSubjects: true,
    });
  });

  it('may leave out what Kubernetes leaves out', () => {
    const metadata = { name: 'x', uid: 'u', resourceVersion: '1' };
    expect(decodeRole({ metadata, rules: null }).grants).toEqual({
      shardLevel: [],
      resources: false,
      beyond: [],
    });
    expect(decodeBinding({ metadata, roleRef: { name: 'own' } })).toMatchObject({ hasSubjects: false });
  });

  it('grants no resources by a rule that names none', () => {
    expect(rootRole('own', [{ verbs: ['get'], resources: [] }]).grants.resources).toBe(false);
  });

  const metadata = { name: 'x', uid: 'u', resourceVersion: '1' };
  const roleRef = { name: 'own' };
  const annotations = { 'internal.kcp.io/replicate': true };
  it.each<[name: string, object: unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a list', []],
    ['no metadata', { roleRef }],
    ['no name', { metadata: { uid: 'u', resourceVersion: '1' }, roleRef }],
    ['an empty name', { metadata: { ...metadata, name: '' }, roleRef }],
    ['no resourceVersion', { metadata: { name: 'x', uid: 'u' }, roleRef }],
    ['no uid', { metadata: { name: 'x', resourceVersion: '1' }, roleRef }],
    ['no roleRef', { metadata }],
    ['an annotation that is no string', { metadata: { ...metadata, annotations }, roleRef }],
    ['subjects that are no list', { metadata, roleRef, subjects: {} }],
  ])('is refused with %s', (_name, object) => {
    expect(() => decodeBinding(object)).toThrow(MalformedError);
  });

  it.each<[rules: unknown]>([['all'], [[null]], [[{ verbs: 'get' }]], [[{ resources: [1] }]]])(
    'is refused with rules %j',
    (rules) => {
      expect(() => decodeRole({ metadata, rules })).toThrow(MalformedError);
    },
  );

  it('is refused in no other way, whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(decodeRole, decodeBinding), (object, decode) => {
        try {
          decode(object);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
        }
      }),
    );
  });
});
