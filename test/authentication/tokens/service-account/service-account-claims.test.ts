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
  const noName = "is no object's name";
  const noNamespace = "is no namespace's name";
  const noCluster = "is no logical cluster's name";
  const noText = 'is no text, or empty';
  const account = (serviceaccount: unknown): Json => ({ serviceaccount });
  it.each<[string, Json, string]>([
    ['without kubernetes.io', { iss: 'x', sub }, 'there is no claim kubernetes.io'],
    ['with another kubernetes.io', { iss: 'x', sub, 'kubernetes.io': 'a' }, 'kubernetes.io is no object'],
    ['with a list', { iss: 'x', sub, 'kubernetes.io': [] }, 'kubernetes.io is no object'],
    ['without the account', bound(account(undefined)), 'there is no claim kubernetes.io.serviceaccount'],
    [
      'bound to what came later',
      bound({ apiservice: pod }),
      'kubernetes.io has a binding of an unknown kind',
    ],
    ['bound to several', bound({ pods: [pod] }), 'kubernetes.io has a binding of an unknown kind'],
    ['with an ID that is none', bound({}, { jti: 7 }), `jti ${noText}`],
    ['of another account', bound({}, { sub: 'system:serviceaccount:monitoring:grafana' }), disagrees],
    ['of another namespace', bound({}, { sub: 'system:serviceaccount:default:prometheus' }), disagrees],
    ['of a user', bound({}, { sub: 'system:admin' }), disagrees],
    ['of nobody', bound({}, { sub: undefined }), disagrees],
    ['of several', bound({}, { sub: [sub] }), disagrees],
    ['of an account in a Secret', { ...legacy(), iss: 'https://kcp' }, 'there is no claim kubernetes.io'],
    ['in a Secret of nobody', legacy({ sub: undefined }), disagrees],
    ['in a Secret of another', legacy({ sub: 'system:serviceaccount:a:b' }), disagrees],
  ])('%s', (_name, claims, reason) => {
    expect(serviceAccountIdentity(claims)).toEqual({ kind: 'refused', reason });
  });

  it.each<[string, Json, claim: string, fault: string]>([
    ['with null', account(null), 'serviceaccount', 'is no object'],
    ['without the name', account({ uid: 'u' }), 'serviceaccount.name', noName],
    ['without the uid', account({ name: 'a' }), 'serviceaccount.uid', noText],
    ['with an empty uid', account({ name: 'a', uid: '' }), 'serviceaccount.uid', noText],
    ['with a name too long', account({ name: 'a'.repeat(254), uid: 'u' }), 'serviceaccount.name', noName],
    ['with a name of labels', account({ name: 'a..b', uid: 'u' }), 'serviceaccount.name', noName],
    ['without a namespace', { namespace: undefined }, 'namespace', noNamespace],
    ['with dots in it', { namespace: 'a.b' }, 'namespace', noNamespace],
    ['with a colon in it', { namespace: 'a:b' }, 'namespace', noNamespace],
    ['with capitals in it', { namespace: 'Kube' }, 'namespace', noNamespace],
    ['with a line end', { namespace: 'a\n' }, 'namespace', noNamespace],
    ['too long', { namespace: 'a'.repeat(64) }, 'namespace', noNamespace],
    ['with a pod of no uid', { pod: { name: 'a' } }, 'pod.uid', noText],
    ['with a pod of no name', { pod: { uid: 'a' } }, 'pod.name', noName],
    ['with a pod that is text', { pod: 'a' }, 'pod', 'is no object'],
    ['with a node of no uid', { node: { name: 'a' } }, 'node.uid', noText],
    ['with a node of empty uid', { pod, node: { name: 'a', uid: '' } }, 'node.uid', noText],
    ['with a Secret of no uid', { secret: { name: 'a' } }, 'secret.uid', noText],
    ['of two clusters', { clusterName: 'a,cluster:root' }, 'clusterName', noCluster],
    ['of no cluster', { clusterName: '' }, 'clusterName', noCluster],
    ['of any cluster', { clusterName: '*' }, 'clusterName', noCluster],
    ['of null', { clusterName: null }, 'clusterName', noCluster],
  ])('%s', (_name, kubernetes, claim, fault) => {
    const reason = `kubernetes.io.${claim} ${fault}`;
    expect(serviceAccountIdentity(bound(kubernetes))).toEqual({ kind: 'refused', reason });
  });

  it.each([
    ['in no Secret', 'secret.name', undefined, noName],
    ['in a Secret without a namespace', 'namespace', '', noNamespace],
    ['in a Secret without a uid', 'service-account.uid', undefined, noText],
    ['in a Secret of a strange cluster', 'clusterName', 'Root', noCluster],
  ])('%s', (_name, claim, value, fault) => {
    const name = `kubernetes.io/serviceaccount/${claim}`;
    const reason = `${name} ${fault}`;
    expect(serviceAccountIdentity(legacy({ [name]: value }))).toEqual({ kind: 'refused', reason });
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
