import { describe, expect, it } from 'vitest';
import {
  alwaysAllowGroups,
  alwaysAllowPaths,
  PolicyUnavailableError,
  rbacAuthorizer,
  Policy,
} from '../../src/index.js';
import { type Authorizer, type Decision, authorizerUnion } from '../../src/authorization/authorizer.js';
import { serviceAccountIdentity } from '../../src/authentication/tokens/service-account.js';
import { policyOf, scraperPolicy } from '../support/filter.js';

const attributes = { identity: { name: 'bob', groups: ['g'], extra: {} }, verb: 'get', path: '/metrics' };
const saying = (name: string, decision: Decision['decision'], reason = name): Authorizer => ({
  name,
  authorize: () => ({ decision, reason }),
});
const failing = (name: string): Authorizer => ({
  name,
  authorize: () => Promise.reject(new RangeError(name)),
});

describe('the union of authorizers', () => {
  it.each([
    [
      'the first opinion wins: allow',
      [saying('a', 'no-opinion'), saying('b', 'allow'), saying('c', 'deny')],
      { decision: 'allow', authorizer: 'b' },
    ],
    [
      'the first opinion wins: deny',
      [saying('b', 'deny'), saying('c', 'allow')],
      { decision: 'deny', authorizer: 'b' },
    ],
    [
      'a failure does not keep the next from deciding',
      [failing('a'), saying('b', 'allow')],
      { decision: 'allow' },
    ],
    [
      'without an opinion nothing is allowed',
      [saying('a', 'no-opinion'), saying('b', 'no-opinion')],
      { decision: 'no-opinion', reason: 'a; b' },
    ],
    ['nobody to ask allows nothing', [], { decision: 'no-opinion', reason: '' }],
  ])('%s', async (_name, authorizers, verdict) => {
    expect(await authorizerUnion(authorizers)(attributes)).toMatchObject(verdict);
  });

  it('throws the failure where nobody decides', async () => {
    await expect(
      authorizerUnion([failing('first'), saying('b', 'no-opinion'), failing('c')])(attributes),
    ).rejects.toThrow('first');
  });

  it('tells what each one said, and asks no further than the first opinion', async () => {
    const said: string[] = [];
    const union = authorizerUnion(
      [failing('a'), saying('b', 'deny'), saying('c', 'allow')],
      (name, decision) => said.push(`${name} ${decision}`),
    );
    await union(attributes);
    expect(said).toEqual(['a error', 'b deny']);
  });
});

describe('always-allow groups look at the caller alone', () => {
  const decide = (identity: Partial<typeof attributes.identity> & { extra?: object }): unknown =>
    alwaysAllowGroups(['system:masters']).authorize({
      ...attributes,
      identity: { ...attributes.identity, ...identity },
    });
  it.each([
    [{ groups: ['a', 'system:masters'] }, 'allow'],
    [{ groups: ['System:masters'] }, 'no-opinion'],
    [{ name: 'system:masters', groups: [] }, 'no-opinion'],
    [
      { extra: { 'authorization.kcp.io/warrant': ['{"user":"x","groups":["system:masters"]}'] } },
      'no-opinion',
    ],
  ])('%j → %s', (identity, decision) => {
    expect(decide(identity)).toMatchObject({ decision });
  });
});

it.each([
  ['root', 'allow'],
  [undefined, 'allow'],
  ['2gjywtm6kg669kl2', 'no-opinion'],
])(
  'an always-allow group of service accounts holds none of another workspace: %s',
  (clusterName, decision) => {
    const identity = serviceAccountIdentity({
      sub: 'system:serviceaccount:monitoring:prometheus',
      'kubernetes.io': {
        clusterName,
        namespace: 'monitoring',
        serviceaccount: { name: 'prometheus', uid: '1' },
      },
    });
    for (const group of ['system:serviceaccounts', 'system:serviceaccounts:monitoring']) {
      expect(alwaysAllowGroups([group]).authorize({ ...attributes, identity })).toMatchObject({ decision });
      const privileged = { ...identity, groups: [...identity.groups, 'system:masters'] };
      expect(
        alwaysAllowGroups(['system:masters']).authorize({ ...attributes, identity: privileged }),
      ).toMatchObject({ decision: 'allow' });
    }
  },
);

it.each([[['']], [['', 'system:masters', '']]])('of %j the empty name is no always-allow group', (groups) => {
  const identity = { ...attributes.identity, groups: [''] };
  expect(alwaysAllowGroups(groups).authorize({ ...attributes, identity })).toMatchObject({
    decision: 'no-opinion',
  });
});

describe('RBAC', () => {
  it('names binding, role and subject', () => {
    const authorizer = rbacAuthorizer({ policy: policyOf(scraperPolicy) });
    const identity = { name: 'scraper', groups: [], extra: {} };
    expect(authorizer.authorize({ identity, verb: 'get', path: '/debug/x' })).toMatchObject({
      decision: 'allow',
      reason: 'RBAC: allowed by ClusterRoleBinding "scrapers" of ClusterRole "reader" to User "scraper"',
    });
  });

  it('decides anew for a known identity when the policy has changed', () => {
    const policy = policyOf(scraperPolicy);
    const authorizer = rbacAuthorizer({ policy });
    const identity = { name: 'scraper', groups: [], extra: {} };
    const decide = (): unknown => authorizer.authorize({ identity, verb: 'get', path: '/metrics' });
    expect(decide()).toMatchObject({ decision: 'allow' });
    policy.sink('root').apply({ type: 'delete', kind: 'ClusterRoleBinding', name: 'scrapers' });
    expect(decide()).toMatchObject({ decision: 'no-opinion' });
  });

  it('denies who carries more warrants than are followed', () => {
    const extra = {
      'authorization.kcp.io/warrant': Array.from({ length: 1000 }, () => '{"user":"scraper"}'),
    };
    const decision = rbacAuthorizer({ policy: policyOf(scraperPolicy) }).authorize({
      ...attributes,
      identity: { name: 'x', groups: [], extra },
    });
    expect(decision).toMatchObject({ decision: 'deny' });
  });

  it('is no answer before the policy is loaded, nor when it is stale for too long', () => {
    let now = 0;
    const policy = new Policy({ layers: ['root'], maxStalenessMs: 1000, now: () => now });
    const authorizer = rbacAuthorizer({ policy });
    const decide = (): unknown => authorizer.authorize(attributes);
    expect(decide).toThrow(PolicyUnavailableError);
    policy.sink('root').markStale('not reached yet');
    expect(decide).toThrow('not loaded yet');
    policy.sink('root').replace([]);
    expect(decide()).toMatchObject({ decision: 'no-opinion' });
    policy.sink('root').markStale('gone');
    now = 1000;
    expect(decide()).toMatchObject({ decision: 'no-opinion' });
    expect(policy.status()).toMatchObject([{ layer: 'root', state: 'stale', reason: 'gone', ageMs: 1000 }]);
    now = 1001;
    expect(decide).toThrow('stale for too long');
    policy.sink('root').replace([]);
    expect(decide()).toMatchObject({ decision: 'no-opinion' });
  });
});

describe('a path of resources', () => {
  const everything = policyOf([
    {
      kind: 'ClusterRole',
      name: 'all',
      rules: [{ verbs: ['*'], nonResourceURLs: ['*', '/api/*', '/apis/*'] }],
    },
    {
      kind: 'ClusterRoleBinding',
      name: 'all',
      role: 'all',
      subjects: [{ kind: 'User', name: 'scraper' }],
      replicated: true,
    },
  ]);
  const identity = { name: 'scraper', groups: [], extra: {} };

  it.each([
    ['/api/v1', 'allow'],
    ['/apis/apps/v1', 'allow'],
    ['/api/v1/pods', 'no-opinion'],
    ['/apis/apps/v1/deployments', 'no-opinion'],
    ['/apis/apps/v1/namespaces/a/deployments/b/scale', 'no-opinion'],
  ])('%s: rules of non-resource URLs say %s', (path, decision) => {
    for (const authorizer of [
      rbacAuthorizer({ policy: everything }),
      alwaysAllowPaths(['*', '/api/v1/pods']),
    ]) {
      expect(authorizer.authorize({ identity, verb: 'get', path })).toMatchObject({ decision });
    }
  });
});

describe('always-allow paths', () => {
  it('allow everybody, and have no opinion elsewhere', () => {
    const authorizer = alwaysAllowPaths(['/livez', '/debug/*']);
    expect(authorizer.authorize({ ...attributes, path: '/livez' })).toMatchObject({ decision: 'allow' });
    expect(authorizer.authorize({ ...attributes, path: '/debug/x' })).toMatchObject({ decision: 'allow' });
    expect(authorizer.authorize(attributes)).toMatchObject({ decision: 'no-opinion' });
  });
});
