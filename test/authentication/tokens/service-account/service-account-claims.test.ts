import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { serviceAccountIdentity as identityOf } from '../../../../src/authentication/tokens/service-account.js';
import { claimed as told } from '../told.js';

type Json = Record<string, unknown>;

const serviceAccountIdentity = (claims: Json) => told(() => identityOf(claims));

const sub = 'system:serviceaccount:monitoring:prometheus';
const serviceaccount = { name: 'prometheus', uid: 'u1' };
const bound = (kubernetes: Json = {}, others: Json = {}): Json => ({
  iss: 'https://kcp.default.svc',
  sub,
  'kubernetes.io': { namespace: 'monitoring', serviceaccount, ...kubernetes },
  ...others,
});
const legacy = (claims: Json = {}): Json => ({
  iss: 'kubernetes/serviceaccount',
  sub,
  'kubernetes.io/serviceaccount/namespace': 'monitoring',
  'kubernetes.io/serviceaccount/secret.name': 'prometheus-token-x2x',
  'kubernetes.io/serviceaccount/service-account.name': 'prometheus',
  'kubernetes.io/serviceaccount/service-account.uid': 'u1',
  ...claims,
});

const groups = ['system:serviceaccounts', 'system:serviceaccounts:monitoring'];
const pod = { name: 'prometheus-0', uid: 'p1' };
const node = { name: 'node-1.example.org', uid: 'n1' };
const podExtra = {
  'authentication.kubernetes.io/pod-name': ['prometheus-0'],
  'authentication.kubernetes.io/pod-uid': ['p1'],
};
const nodeName = { 'authentication.kubernetes.io/node-name': ['node-1.example.org'] };
const nodeExtra = { ...nodeName, 'authentication.kubernetes.io/node-uid': ['n1'] };
const kcpExtra = (cluster: string) => ({
  'authentication.kcp.io/cluster-name': [cluster],
  'authentication.kcp.io/scopes': [`cluster:${cluster}`],
});

describe('the identity of a service account', () => {
  it.each<[string, Json, Json]>([
    ['of Kubernetes', bound(), {}],
    ['of kcp', bound({ clusterName: 'root' }), kcpExtra('root')],
    ['of kcp, elsewhere', bound({ clusterName: '2x3y:a-b' }), kcpExtra('2x3y:a-b')],
    ['with an ID', bound({}, { jti: 'j1' }), { 'authentication.kubernetes.io/credential-id': ['JTI=j1'] }],
    ['bound to a pod', bound({ pod }), podExtra],
    ['bound to a pod on a node', bound({ pod, node }), { ...podExtra, ...nodeExtra }],
    [
      'bound to a pod on a lost node',
      bound({ pod, node: { name: node.name } }),
      { ...podExtra, ...nodeName },
    ],
    ['bound to a node', bound({ node }), nodeExtra],
    ['bound to a Secret', bound({ secret: { name: 'a', uid: 's1' } }), {}],
    ['to be renewed', bound({ warnafter: 1 }), {}],
    ['in a Secret', legacy(), {}],
    ['in a Secret of kcp', legacy({ 'kubernetes.io/serviceaccount/clusterName': 'root' }), kcpExtra('root')],
    ['in a Secret, with other claims', legacy({ jti: 'x', 'kubernetes.io': { pod } }), {}],
  ])('%s', (_name, claims, extra) => {
    expect(serviceAccountIdentity(claims)).toEqual({
      kind: 'identity',
      identity: { name: sub, uid: 'u1', groups, extra },
    });
  });

  it('is frozen, all of it', () => {
    const claimed = serviceAccountIdentity(bound({ pod, node, clusterName: 'root' }, { jti: 'j' }));
    if (claimed.kind !== 'identity') expect.fail(claimed.reason);
    const { identity } = claimed;
    const parts: readonly object[] = [
      identity,
      identity.groups,
      identity.extra,
      ...Object.values(identity.extra),
    ];
    expect(parts.every((part) => Object.isFrozen(part))).toBe(true);
  });
});

describe('claims that are refused', () => {
  const disagrees = 'sub is not the account that the other claims name';
  const legacyClaim = (name: string) => `kubernetes.io/serviceaccount/${name}`;
  it.each<[string, Json, string]>([
    ['without kubernetes.io', { iss: 'x', sub }, 'there is no claim kubernetes.io'],
    ['with another kubernetes.io', { iss: 'x', sub, 'kubernetes.io': 'a' }, 'kubernetes.io is no object'],
    ['with a list', { iss: 'x', sub, 'kubernetes.io': [] }, 'kubernetes.io is no object'],
    [
      'without the account',
      bound({ serviceaccount: undefined }),
      'there is no claim kubernetes.io.serviceaccount',
    ],
    ['with null', bound({ serviceaccount: null }), 'kubernetes.io.serviceaccount is no object'],
    [
      'without the name',
      bound({ serviceaccount: { uid: 'u' } }),
      "kubernetes.io.serviceaccount.name is no object's name",
    ],
    [
      'without the uid',
      bound({ serviceaccount: { name: 'a' } }),
      'kubernetes.io.serviceaccount.uid is no text, or empty',
    ],
    [
      'with an empty uid',
      bound({ serviceaccount: { name: 'a', uid: '' } }),
      'kubernetes.io.serviceaccount.uid is no text, or empty',
    ],
    [
      'without a namespace',
      bound({ namespace: undefined }),
      "kubernetes.io.namespace is no namespace's name",
    ],
    ['with dots in it', bound({ namespace: 'a.b' }), "kubernetes.io.namespace is no namespace's name"],
    ['with a colon in it', bound({ namespace: 'a:b' }), "kubernetes.io.namespace is no namespace's name"],
    ['with capitals in it', bound({ namespace: 'Kube' }), "kubernetes.io.namespace is no namespace's name"],
    ['with a line end', bound({ namespace: 'a\n' }), "kubernetes.io.namespace is no namespace's name"],
    ['too long', bound({ namespace: 'a'.repeat(64) }), "kubernetes.io.namespace is no namespace's name"],
    [
      'with a name too long',
      bound({ serviceaccount: { name: 'a'.repeat(254), uid: 'u' } }),
      "kubernetes.io.serviceaccount.name is no object's name",
    ],
    [
      'with a name of labels',
      bound({ serviceaccount: { name: 'a..b', uid: 'u' } }),
      "kubernetes.io.serviceaccount.name is no object's name",
    ],
    ['with a pod of no uid', bound({ pod: { name: 'a' } }), 'kubernetes.io.pod.uid is no text, or empty'],
    ['with a pod of no name', bound({ pod: { uid: 'a' } }), "kubernetes.io.pod.name is no object's name"],
    ['with a pod that is text', bound({ pod: 'a' }), 'kubernetes.io.pod is no object'],
    ['with a node of no uid', bound({ node: { name: 'a' } }), 'kubernetes.io.node.uid is no text, or empty'],
    [
      'with a node of empty uid',
      bound({ pod, node: { name: 'a', uid: '' } }),
      'kubernetes.io.node.uid is no text, or empty',
    ],
    [
      'with a Secret of no uid',
      bound({ secret: { name: 'a' } }),
      'kubernetes.io.secret.uid is no text, or empty',
    ],
    [
      'bound to what came later',
      bound({ apiservice: { name: 'a', uid: 'b' } }),
      'kubernetes.io has a binding of an unknown kind',
    ],
    ['bound to several', bound({ pods: [pod] }), 'kubernetes.io has a binding of an unknown kind'],
    ['with an ID that is none', bound({}, { jti: 7 }), 'jti is no text, or empty'],
    [
      'of two clusters',
      bound({ clusterName: 'a,cluster:root' }),
      "kubernetes.io.clusterName is no logical cluster's name",
    ],
    ['of no cluster', bound({ clusterName: '' }), "kubernetes.io.clusterName is no logical cluster's name"],
    ['of any cluster', bound({ clusterName: '*' }), "kubernetes.io.clusterName is no logical cluster's name"],
    ['of null', bound({ clusterName: null }), "kubernetes.io.clusterName is no logical cluster's name"],
    ['of another account', bound({}, { sub: 'system:serviceaccount:monitoring:grafana' }), disagrees],
    ['of another namespace', bound({}, { sub: 'system:serviceaccount:default:prometheus' }), disagrees],
    ['of a user', bound({}, { sub: 'system:admin' }), disagrees],
    ['of nobody', bound({}, { sub: undefined }), disagrees],
    ['of several', bound({}, { sub: [sub] }), disagrees],
    ['of an account in a Secret', { ...legacy(), iss: 'https://kcp' }, 'there is no claim kubernetes.io'],
    ['in a Secret of nobody', legacy({ sub: undefined }), disagrees],
    ['in a Secret of another', legacy({ sub: 'system:serviceaccount:a:b' }), disagrees],
    [
      'in no Secret',
      legacy({ [legacyClaim('secret.name')]: undefined }),
      `${legacyClaim('secret.name')} is no object's name`,
    ],
    [
      'in a Secret without a namespace',
      legacy({ [legacyClaim('namespace')]: '' }),
      `${legacyClaim('namespace')} is no namespace's name`,
    ],
    [
      'in a Secret without a uid',
      legacy({ [legacyClaim('service-account.uid')]: undefined }),
      `${legacyClaim('service-account.uid')} is no text, or empty`,
    ],
    [
      'in a Secret of a strange cluster',
      legacy({ [legacyClaim('clusterName')]: 'Root' }),
      `${legacyClaim('clusterName')} is no logical cluster's name`,
    ],
  ])('%s', (_name, claims, reason) => {
    expect(serviceAccountIdentity(claims)).toEqual({ kind: 'refused', reason });
  });
});

describe('whatever the claims are', () => {
  const odd = fc.oneof(fc.jsonValue(), fc.constantFrom('', 'a', '__proto__', 'a:b'));
  const mostly = <Value>(usual: fc.Arbitrary<Value>) =>
    fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: odd });

  it('an identity is that of the account, and of nobody else', () => {
    const kinds = { identity: 0, refused: 0 };
    fc.assert(
      fc.property(
        mostly(fc.constant(sub)),
        mostly(fc.constant('monitoring')),
        mostly(fc.record({ name: mostly(fc.constant('prometheus')), uid: mostly(fc.constant('u1')) })),
        fc.dictionary(fc.constantFrom('pod', 'node', 'secret', 'clusterName', 'x'), odd, { maxKeys: 1 }),
        (subject, namespace, account, others) => {
          const kubernetes = { namespace, serviceaccount: account, ...others };
          const claimed = serviceAccountIdentity({ iss: 'x', sub: subject, 'kubernetes.io': kubernetes });
          kinds[claimed.kind] += 1;
          if (claimed.kind === 'refused') return;
          const { name, uid } = account as { name: string; uid: string };
          expect(claimed.identity.name).toBe(subject);
          if (typeof namespace !== 'string') expect.fail('a namespace that is no text');
          expect(claimed.identity.name).toBe(`system:serviceaccount:${namespace}:${name}`);
          expect(claimed.identity.name.split(':')).toHaveLength(4);
          expect(claimed.identity.uid).toBe(uid);
          expect(claimed.identity.groups[1]).toBe(`system:serviceaccounts:${namespace}`);
        },
      ),
      { numRuns: 500 },
    );
    expect(kinds.identity).toBeGreaterThan(20);
    expect(kinds.refused).toBeGreaterThan(20);
  });

  it('nothing is thrown', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...Object.keys({ ...bound(), ...legacy() })), odd),
        (claims) => {
          expect(['identity', 'refused']).toContain(serviceAccountIdentity(claims).kind);
        },
      ),
    );
  });
});
