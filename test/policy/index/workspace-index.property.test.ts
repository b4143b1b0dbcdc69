import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PolicyIndex } from '../../../src/policy/index/policy-index.js';
import { WorkspaceIndex } from '../../../src/policy/index/workspace-index.js';
import type { LogicalCluster, PolicyObject, RbacObject } from '../../../src/policy/objects.js';
import { Policy } from '../../../src/policy/policy.js';
import { runAll } from '../../../src/time-slice.js';

// Few names, so that they meet often.
const clusters = ['c1', 'c2', 'root', 'system:admin'] as const;
const cluster = fc.constantFrom(...clusters);
const user = fc.constantFrom('ann', 'bob', 'eve');
const verb = fc.constantFrom('get', 'access', '*');
const path = fc.constantFrom('/metrics', '/', '*');
const roleName = fc.constantFrom('reader', 'admin', 'missing');

const role = fc.record({
  kind: fc.constant('ClusterRole' as const),
  name: fc.constantFrom('reader', 'admin'),
  rules: fc.array(fc.record({ verbs: fc.array(verb), nonResourceURLs: fc.array(path) }), { maxLength: 2 }),
});
const binding = fc.record({
  kind: fc.constant('ClusterRoleBinding' as const),
  name: fc.constantFrom('a', 'b', 'c'),
  role: roleName,
  subjects: fc.array(fc.record({ kind: fc.constantFrom('User' as const, 'Group' as const), name: user }), {
    maxLength: 2,
  }),
  replicated: fc.constant(false),
});
const logicalCluster: fc.Arbitrary<LogicalCluster> = fc
  .record({
    kind: fc.constant('LogicalCluster' as const),
    name: fc.constant('cluster'),
    cluster,
    path: fc.option(fc.constantFrom('root:a', 'root:b'), { nil: undefined }),
    requiredGroups: fc.option(fc.constantFrom('x;y', 'x,y', ''), { nil: undefined }),
    isReady: fc.boolean(),
  })
  .map(({ path: itsPath, requiredGroups, ...rest }) => ({
    ...rest,
    ...(itsPath !== undefined && { path: itsPath }),
    ...(requiredGroups !== undefined && { requiredGroups }),
  }));
const object: fc.Arbitrary<PolicyObject> = fc.oneof(
  fc.tuple(fc.oneof(role, binding), cluster).map(([made, of]) => ({ ...made, cluster: of })),
  logicalCluster,
);
const rbac: fc.Arbitrary<RbacObject> = fc.oneof(role, binding);

const key = ({ kind, name, cluster: of }: PolicyObject): string => `${kind} ${of ?? ''} ${name}`;
const unique = (objects: readonly PolicyObject[]): readonly PolicyObject[] => [
  ...new Map(objects.map((one) => [key(one), one])).values(),
];

const step = fc.oneof(
  { weight: 6, arbitrary: object.map((set) => ({ kind: 'set', set }) as const) },
  { weight: 3, arbitrary: object.map((gone) => ({ kind: 'delete', gone }) as const) },
  fc.array(object, { maxLength: 12 }).map((all) => ({ kind: 'replace', all: unique(all) }) as const),
  fc
    .tuple(
      fc.constantFrom('ClusterRole' as const, 'ClusterRoleBinding' as const, 'LogicalCluster' as const),
      fc.array(object, { maxLength: 12 }),
    )
    .map(([of, all]) => {
      return { kind: 'replace-kind', of, all: unique(all.filter(({ kind }) => kind === of)) } as const;
    }),
  rbac.map((set) => ({ kind: 'bootstrap', set }) as const),
  fc.array(rbac, { maxLength: 6 }).map((all) => ({ kind: 'bootstrap-replace', all }) as const),
);

/** What is held, and decided by going through all of it. */
class Model {
  readonly held = new Map<string, PolicyObject>();
  readonly bootstrap = new Map<string, RbacObject>();

  constructor(readonly requiresLogicalCluster: boolean) {}

  isKnown(of: string): boolean {
    if (of.startsWith('system:')) return false;
    const its = [...this.held.values()].filter((one) => one.cluster === of);
    const known = its.find((one) => one.kind === 'LogicalCluster');
    return known === undefined ? !this.requiresLogicalCluster && its.length > 0 : known.isReady;
  }

  /** One index over this workspace's objects and a copy of the bootstrap policy. */
  indexOf(of: string): PolicyIndex {
    const index = new PolicyIndex(['own', 'bootstrap']);
    const own = [...this.held.values()].filter(
      (one): one is RbacObject => one.kind !== 'LogicalCluster' && one.cluster === of,
    );
    runAll(index.replaceAll('own', own));
    runAll(index.replaceAll('bootstrap', [...this.bootstrap.values()]));
    return index;
  }
}

function take(
  model: Model,
  policy: Policy,
  asked: typeof step extends fc.Arbitrary<infer Step> ? Step : never,
): void {
  const sink = policy.sink('workspaces');
  switch (asked.kind) {
    case 'set':
      model.held.set(key(asked.set), asked.set);
      sink.apply({ type: 'set', object: asked.set });
      break;
    case 'delete': {
      const { kind, name, cluster: of } = asked.gone;
      model.held.delete(key(asked.gone));
      sink.apply({ type: 'delete', kind, name, cluster: of });
      break;
    }
    case 'replace':
      model.held.clear();
      for (const one of asked.all) model.held.set(key(one), one);
      sink.replace(asked.all);
      break;
    case 'replace-kind':
      for (const [known, one] of model.held) if (one.kind === asked.of) model.held.delete(known);
      for (const one of asked.all) model.held.set(key(one), one);
      runAll(sink.replaceKind(asked.of, asked.all));
      break;
    case 'bootstrap':
      model.bootstrap.set(key(asked.set), asked.set);
      policy.sink('bootstrap').apply({ type: 'set', object: asked.set });
      break;
    case 'bootstrap-replace':
      model.bootstrap.clear();
      for (const one of asked.all) model.bootstrap.set(key(one), one);
      policy.sink('bootstrap').replace(asked.all);
  }
}

describe('the policies of many workspaces', () => {
  it.each([true, false])('decide like one policy each; a LogicalCluster is required: %s', (required) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const workspaces = new WorkspaceIndex('workspaces', 'bootstrap', required);
        const policy = new Policy({ layers: ['bootstrap'], workspaces });
        const model = new Model(required);
        let version = -1;
        for (const asked of steps) {
          take(model, policy, asked);
          expect(workspaces.version).toBeGreaterThanOrEqual(version);
          version = workspaces.version;
        }
        for (const of of clusters) {
          const workspace = workspaces.get(of);
          expect(workspace?.cluster).toBe(model.isKnown(of) ? of : undefined);
          if (workspace === undefined) continue;
          const expected = model.indexOf(of);
          for (const name of ['ann', 'bob']) {
            for (const [verbAsked, pathAsked] of [
              ['get', '/metrics'],
              ['access', '/'],
            ] as const) {
              const identities = [{ name, groups: ['eve'] }];
              expect(workspaces.find(workspace, identities, verbAsked, pathAsked) !== undefined).toBe(
                expected.find(identities, verbAsked, pathAsked) !== undefined,
              );
            }
          }
        }
        const kept = [...model.held.values()].filter((one) => one.cluster?.startsWith('system:') === false);
        const counted = (kind: string): number => kept.filter((one) => one.kind === kind).length;
        expect(workspaces.describe()).toMatchObject({
          clusterRoles: counted('ClusterRole'),
          clusterRoleBindings: counted('ClusterRoleBinding'),
          logicalClusters: counted('LogicalCluster'),
        });
        expect(policy.objects('workspaces').map(key).sort()).toEqual(kept.map(key).sort());
      }),
    );
  });

  it('a workspace is found by its path, unless two claim it, and by none that is gone', () => {
    const workspaces = new WorkspaceIndex('workspaces', 'bootstrap', true);
    const of = (name: string, more: object = {}): LogicalCluster => {
      return {
        kind: 'LogicalCluster',
        name: 'cluster',
        cluster: name,
        path: 'root:a',
        isReady: true,
        ...more,
      };
    };
    const set = (one: LogicalCluster): void => {
      workspaces.apply('workspaces', { type: 'set', object: one });
    };
    const remove = (name: string): void => {
      workspaces.apply('workspaces', {
        type: 'delete',
        kind: 'LogicalCluster',
        name: 'cluster',
        cluster: name,
      });
    };
    const found = (): (string | undefined)[] =>
      ['root:a', 'root:b', 'c1'].map((name) => workspaces.named(name)?.cluster);
    set(of('c1'));
    expect(found()).toEqual(['c1', undefined, 'c1']);
    set(of('c2'));
    expect(found()).toEqual([undefined, undefined, 'c1']);
    set(of('c1', { isReady: false }));
    expect(found()).toEqual([undefined, undefined, undefined]);
    set(of('c1', { path: 'root:b' }));
    expect(found()).toEqual(['c2', 'c1', 'c1']);
    remove('c2');
    remove('c1');
    expect(found()).toEqual([undefined, undefined, undefined]);
    set(of('system:admin', { path: 'root:b' }));
    expect(workspaces.named('system:admin') ?? workspaces.named('root:b')).toBeUndefined();
  });
});
