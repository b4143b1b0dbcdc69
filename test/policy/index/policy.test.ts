import { beforeEach, describe, expect, it } from 'vitest';
import type { ClusterRole, ClusterRoleBinding, PolicyObject } from '../../../src/policy/objects.js';
import { WorkspaceIndex } from '../../../src/policy/index/workspace-index.js';
import { Policy } from '../../../src/policy/policy.js';

const reader: ClusterRole = {
  kind: 'ClusterRole',
  name: 'reader',
  rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }],
};
const binding = (name: string, user: string, role = 'reader'): ClusterRoleBinding => ({
  kind: 'ClusterRoleBinding',
  name,
  role,
  subjects: [{ kind: 'User', name: user }],
  replicated: true,
});

let now: number;
let changes: number;
beforeEach(() => {
  now = 1_000_000;
  changes = 0;
});

function policyWithFallback(maxStalenessMs?: number): Policy {
  return new Policy({
    layers: ['root', 'cache', 'bootstrap'],
    fallbacks: new Map([['root', 'cache']]),
    ...(maxStalenessMs === undefined ? {} : { maxStalenessMs }),
    now: () => now,
    onChange: () => {
      changes += 1;
    },
  });
}

/** Asks as the RBAC authorizer does: first whether there is a policy. */
function ask(policy: Policy, user: string): string | undefined {
  const fault = policy.unavailable();
  if (fault !== undefined) return fault;
  return policy.find([{ name: user, groups: [] }], 'get', '/metrics')?.binding.name;
}

/** Takes all steps; calls `between` after each. */
function drain(steps: Iterator<unknown>, between: () => void = () => undefined): void {
  while (steps.next().done !== true) between();
}

describe('a fallback', () => {
  let policy: Policy;
  beforeEach(() => {
    policy = policyWithFallback(10_000);
    policy.sink('bootstrap').replace([reader]);
    policy.sink('cache').replace([reader, binding('replicated', 'ann'), binding('revoked', 'eve')]);
  });

  it('decides while the layer it stands in for was never loaded', () => {
    expect(ask(policy, 'ann')).toBe('replicated');
  });

  it('grants nothing once that layer can decide', () => {
    policy.sink('root').replace([binding('own', 'bob')]);
    expect(ask(policy, 'bob')).toBe('own');
    expect(ask(policy, 'ann')).toBeUndefined();
    expect(ask(policy, 'eve')).toBeUndefined();
  });

  it('does not decide while that layer is stale, but not for too long', () => {
    policy.sink('root').replace([binding('own', 'bob')]);
    policy.sink('root').markStale('gone');
    now += 10_000;
    expect(ask(policy, 'bob')).toBe('own');
    expect(ask(policy, 'ann')).toBeUndefined();
  });

  it('decides in its stead when it is stale for too long, and no longer when it is back', () => {
    policy.sink('root').replace([binding('own', 'bob')]);
    policy.sink('root').markStale('gone');
    now += 10_001;
    expect(ask(policy, 'ann')).toBe('replicated');
    expect(ask(policy, 'bob')).toBeUndefined();
    policy.sink('root').markSynced();
    expect(ask(policy, 'ann')).toBeUndefined();
    expect(ask(policy, 'bob')).toBe('own');
  });

  it('is no help when it is stale for too long itself', () => {
    policy.sink('cache').markStale('gone, too');
    now += 10_001;
    expect(ask(policy, 'ann')).toBe('policy layer "root" is not loaded yet');
  });

  it('takes the roles of that layer out of force with its bindings', () => {
    const policyOfThree = new Policy({
      layers: ['directory', 'root', 'cache'],
      fallbacks: new Map([['root', 'cache']]),
      maxStalenessMs: 1000,
      now: () => now,
    });
    policyOfThree.sink('directory').replace([binding('by-hand', 'ann')]);
    policyOfThree.sink('root').replace([reader]);
    policyOfThree.sink('cache').replace([]);
    expect(ask(policyOfThree, 'ann')).toBe('by-hand');
    policyOfThree.sink('root').markStale('gone');
    now += 1001;
    policyOfThree.sink('directory').markSynced();
    expect(ask(policyOfThree, 'ann')).toBeUndefined();
    expect([...policyOfThree.grantsOf('get', '/metrics')]).toEqual([]);
  });

  it('lends its roles to nobody else', () => {
    policy.sink('cache').apply({ type: 'set', object: { ...reader, name: 'of-the-cache' } });
    policy.sink('root').replace([binding('own', 'bob', 'of-the-cache')]);
    expect(ask(policy, 'bob')).toBeUndefined();
    expect([...policy.danglingBindings()]).toContainEqual({
      layer: 'root',
      binding: binding('own', 'bob', 'of-the-cache'),
    });
  });

  it('shows which of the two is in force', () => {
    const inForce = (): readonly (readonly [string, boolean])[] =>
      policy.status().map(({ layer, inForce: is }) => [layer, is] as const);
    expect(inForce()).toEqual([
      ['root', false],
      ['cache', true],
      ['bootstrap', true],
    ]);
    policy.sink('root').replace([]);
    expect(inForce()).toEqual([
      ['root', true],
      ['cache', false],
      ['bootstrap', true],
    ]);
  });

  it('is asked by who-can only where it is in force', () => {
    const who = (): readonly string[] =>
      [...policy.grantsOf('get', '/metrics')].map(({ binding: { name } }) => name);
    expect(who()).toEqual(['replicated', 'revoked']);
    policy.sink('root').replace([binding('own', 'bob')]);
    expect(who()).toEqual(['own']);
  });
});

describe('a layer filled kind by kind', () => {
  it('is loaded when its source says so, not before', () => {
    const policy = new Policy({ layers: ['root'] });
    const sink = policy.sink('root');
    drain(sink.replaceKind('ClusterRole', [reader]));
    sink.apply({ type: 'set', object: binding('b', 'ann') });
    expect(ask(policy, 'ann')).toBe('policy layer "root" is not loaded yet');
    sink.markSynced();
    expect(ask(policy, 'ann')).toBe('b');
  });

  it('keeps the other kind, and what the new list has too', () => {
    const policy = new Policy({ layers: ['root'] });
    const sink = policy.sink('root');
    sink.replace([reader, binding('old', 'ann'), binding('kept', 'bob')]);
    drain(sink.replaceKind('ClusterRoleBinding', [binding('kept', 'bob'), binding('new', 'eve')]));
    expect(['ann', 'bob', 'eve'].map((user) => ask(policy, user))).toEqual([undefined, 'kept', 'new']);
  });

  it('revokes before it grants', () => {
    const policy = new Policy({ layers: ['root'] });
    const sink = policy.sink('root');
    sink.replace([reader, ...Array.from({ length: 20 }, (_, at) => binding(`old-${at}`, 'ann'))]);
    const seen: string[] = [];
    drain(sink.replaceKind('ClusterRoleBinding', [binding('new', 'bob')]), () => {
      seen.push(`${ask(policy, 'ann') === undefined ? '-' : 'ann'} ${ask(policy, 'bob') ?? '-'}`);
    });
    expect(seen).not.toContain('ann new');
    expect(seen.at(-1)).toBe('- new');
  });

  it('refuses objects of the other kind, and changes nothing', () => {
    const policy = new Policy({ layers: ['root'] });
    const sink = policy.sink('root');
    sink.replace([reader, binding('b', 'ann')]);
    expect(() => {
      drain(sink.replaceKind('ClusterRoleBinding', [reader]));
    }).toThrow('a ClusterRole among objects of kind ClusterRoleBinding');
    expect(ask(policy, 'ann')).toBe('b');
  });
});

describe('the layer of workspaces, filled kind by kind', () => {
  it('stays as it is where one of the objects names no workspace', () => {
    const workspaces = new WorkspaceIndex('workspaces', 'bootstrap', false);
    const policy = new Policy({ layers: ['bootstrap'], workspaces });
    const sink = policy.sink('workspaces');
    const before = [{ ...reader, cluster: 'c1' }];
    drain(sink.replaceKind('ClusterRole', before));
    expect(() => {
      drain(sink.replaceKind('ClusterRole', [{ ...reader, cluster: 'c2' }, reader]));
    }).toThrow(TypeError);
    expect(policy.objects('workspaces')).toEqual(before);
  });
});

describe('a restored layer', () => {
  const objects: readonly PolicyObject[] = [reader, binding('b', 'ann')];

  it('decides, stale since it was last in step', () => {
    const policy = new Policy({ layers: ['root'], now: () => now });
    policy.sink('root').restore(objects, now - 5000, 'from a snapshot');
    expect(ask(policy, 'ann')).toBe('b');
    expect(policy.status()).toMatchObject([
      { state: 'stale', reason: 'from a snapshot', ageMs: 5000, syncedAt: now - 5000 },
    ]);
  });

  it('is too old when it was too old before', () => {
    const policy = new Policy({ layers: ['root'], maxStalenessMs: 4000, now: () => now });
    policy.sink('root').restore(objects, now - 5000, 'from a snapshot');
    expect(ask(policy, 'ann')).toBe('policy layer "root" is stale for too long');
  });

  it('never takes the place of what was loaded', () => {
    const policy = new Policy({ layers: ['root'], now: () => now });
    policy.sink('root').replace([]);
    policy.sink('root').restore(objects, now, 'from a snapshot');
    expect(ask(policy, 'ann')).toBeUndefined();
    expect(policy.status()).toMatchObject([{ state: 'synced' }]);
  });

  it('goes on counting its age when the source cannot be reached either', () => {
    const policy = new Policy({ layers: ['root'], now: () => now });
    policy.sink('root').restore(objects, now - 5000, 'from a snapshot');
    policy.sink('root').markStale('connection refused', now);
    expect(policy.status()).toMatchObject([{ reason: 'connection refused', ageMs: 5000 }]);
  });

  it('gives way to a fallback that is in step, but to no other', () => {
    const policy = policyWithFallback();
    policy.sink('bootstrap').replace([reader]);
    policy.sink('root').restore(objects, now - 5000, 'from a snapshot');
    expect(ask(policy, 'ann')).toBe('b');
    policy.sink('cache').replace([reader, binding('replicated', 'bob')]);
    expect(ask(policy, 'ann')).toBeUndefined();
    expect(ask(policy, 'bob')).toBe('replicated');
    policy.sink('cache').markStale('gone');
    expect(ask(policy, 'ann')).toBe('b');
    policy.sink('cache').markSynced();
    policy.sink('root').markSynced();
    expect(ask(policy, 'bob')).toBeUndefined();
    expect(ask(policy, 'ann')).toBe('b');
  });

  it('gives back what it holds', () => {
    const policy = new Policy({ layers: ['root'], now: () => now });
    policy.sink('root').restore(objects, now, 'from a snapshot');
    expect(policy.objects('root')).toEqual(objects);
  });
});

describe('staleness', () => {
  it('counts from the last sign of life, not from the moment it was noticed', () => {
    const policy = policyWithFallback();
    policy.sink('root').replace([]);
    now += 60_000;
    policy.sink('root').markStale('stalled', now - 45_000);
    expect(policy.status()[0]).toMatchObject({ state: 'stale', ageMs: 45_000, syncedAt: now - 45_000 });
  });

  it('counts from the earlier of two losses', () => {
    const policy = policyWithFallback();
    policy.sink('root').replace([]);
    policy.sink('root').markStale('roles', now - 1000);
    policy.sink('root').markStale('bindings', now - 60_000);
    expect(policy.status()[0]).toMatchObject({ ageMs: 60_000, reason: 'bindings' });
    policy.sink('root').markStale('roles again', now);
    expect(policy.status()[0]).toMatchObject({ ageMs: 60_000 });
  });

  it('is that of no whole policy while one is replaced by another', () => {
    const policy = policyWithFallback();
    const steps = policy.sink('root').replaceKind('ClusterRole', [reader]);
    expect(policy.isWhole('root')).toBe(true);
    steps.next();
    expect(policy.isWhole('root')).toBe(false);
    drain(steps);
    expect(policy.isWhole('root')).toBe(true);
    const broken = policy.sink('root').replaceKind('ClusterRole', [reader, binding('b', 'ann')]);
    expect(() => {
      drain(broken);
    }).toThrow(TypeError);
    expect(policy.isWhole('root')).toBe(true);
  });

  it('tells of each change', () => {
    const policy = policyWithFallback();
    policy.sink('root').replace([]);
    policy.sink('root').apply({ type: 'set', object: reader });
    policy.sink('root').markStale('gone');
    policy.sink('root').markSynced();
    drain(policy.sink('root').replaceKind('ClusterRole', []));
    expect(changes).toBe(5);
  });

  it('knows the layers it was made with, and no other', () => {
    expect(() => policyWithFallback().sink('nowhere')).toThrow('no policy layer "nowhere"');
    expect(() => new Policy({ layers: ['a'], fallbacks: new Map([['a', 'b']]) })).toThrow(
      'no policy layer "b"',
    );
    expect(() => new Policy({ layers: ['a'], fallbacks: new Map([['b', 'a']]) })).toThrow(
      'no policy layer "b"',
    );
    expect(() => new Policy({ layers: ['a', 'a'] })).toThrow('two policy layers "a"');
  });
});

describe('a role of very many rules', () => {
  it('is taken in at once, though all of them are for one path', () => {
    const rules = Array.from({ length: 60_000 }, (_, at) => ({
      verbs: [`verb-${at}`],
      nonResourceURLs: ['/metrics'],
    }));
    const policy = new Policy({ layers: ['root'] });
    policy.sink('root').replace([{ ...reader, rules }, binding('b', 'ann')]);
    const ann = [{ name: 'ann', groups: [] }];
    expect(policy.find(ann, 'verb-59999', '/metrics')?.binding.name).toBe('b');
    expect(policy.find(ann, 'verb-60000', '/metrics')).toBeUndefined();
  });
});
