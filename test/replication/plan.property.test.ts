import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { valueAfter, isReplicated, ownEntry } from '../../src/replication/annotation.js';
import { planReplication, type Plan } from '../../src/replication/plan.js';
import {
  bootstrap,
  getMetrics,
  getPods,
  rootBinding,
  rootPolicy,
  rootRole,
  type Rule,
} from './root-objects.js';
import type { RootBinding, RootObject, RootPolicy, RootRole } from '../../src/replication/root-objects.js';

// Few names, so that they meet often; some are those of kcp's own roles.
const roleName = fc.constantFrom('own', 'other', 'system:kcp:metrics-reader', 'cluster-admin', 'nowhere');
const word = fc.constantFrom(ownEntry, 'apis.kcp.io', 'core.kcp.io', 'manual', '', ` ${ownEntry}`);
const annotation = fc.option(
  fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join(',')),
  { nil: undefined },
);
const rule: fc.Arbitrary<Rule> = fc.oneof(
  fc.constantFrom(getMetrics, getPods),
  fc.record({
    verbs: fc.constantFrom(['get'], ['*'], []),
    nonResourceURLs: fc.constantFrom(['*'], ['/m*'], ['/metrics/slis'], ['/healthz'], []),
  }),
);
const role = fc
  .tuple(roleName, fc.array(rule, { maxLength: 2 }), annotation)
  .map(([name, rules, replicate]) => rootRole(name, rules, replicate));
const binding = fc
  .tuple(fc.constantFrom('a', 'b', 'c'), roleName, annotation, fc.constantFrom([], ['prometheus']))
  .map(([name, to, replicate, subjects]) =>
    rootBinding(name, to, { subjects, ...(replicate === undefined ? {} : { replicate }) }),
  );
const policy = fc.array(fc.oneof(role, binding), { maxLength: 10 }).map(rootPolicy);

const plan = (root: RootPolicy, own = bootstrap): Plan => planReplication(root, own);
const objectsOf = ({ roles, bindings }: RootPolicy): readonly (RootRole | RootBinding)[] => [
  ...roles.values(),
  ...bindings.values(),
];
const withValue = <Item extends RootObject>(object: Item, replicate: string | undefined): Item => ({
  ...object,
  replicate,
});
function applied(root: RootPolicy, own = bootstrap): RootPolicy {
  const values = new Map(
    plan(root, own).changes.map((change) => [change.object as unknown, valueAfter(change)]),
  );
  return rootPolicy(
    objectsOf(root).map((object) => (values.has(object) ? withValue(object, values.get(object)) : object)),
  );
}
const othersIn = (value: string | undefined): readonly string[] =>
  value?.split(',').filter((each) => each !== ownEntry && each !== '') ?? [];
const everyRoleGrantsNothing = (root: RootPolicy): RootPolicy =>
  rootPolicy(
    objectsOf(root).map((object) =>
      object.kind === 'ClusterRole'
        ? { ...object, grants: { shardLevel: [], resources: false, beyond: [] } }
        : object,
    ),
  );

const bootstrapWithoutGrants = new Map(
  [...bootstrap.keys()].map((name) => [name, { shardLevel: [], resources: false, beyond: [] }]),
);

describe('whatever root holds', () => {
  it('one plan is enough: after it there is nothing left to change', () => {
    fc.assert(
      fc.property(policy, (root) => {
        expect(plan(applied(root)).changes).toEqual([]);
      }),
    );
  });

  it('each object is changed once at most, and only in its annotation', () => {
    fc.assert(
      fc.property(policy, (root) => {
        const changed = plan(root).changes.map(({ object }) => object);
        expect(new Set(changed).size).toBe(changed.length);
        const after = applied(root);
        const unannotated = (of: RootPolicy): unknown => objectsOf(of).map((each) => withValue(each, ''));
        expect(unannotated(after)).toEqual(unannotated(root));
      }),
    );
  });

  it('the words of others stay as they are', () => {
    fc.assert(
      fc.property(policy, (root) => {
        const words = (of: RootPolicy): unknown => objectsOf(of).map(({ replicate }) => othersIn(replicate));
        expect(words(applied(root))).toEqual(words(root));
      }),
    );
  });

  it('who is bound to what grants to read metrics and nothing else is replicated with the role', () => {
    fc.assert(
      fc.property(policy, (root) => {
        const { roles, bindings } = applied(root);
        for (const { role: name, hasSubjects, replicate } of bindings.values()) {
          const grants = roles.get(name)?.grants ?? bootstrap.get(name);
          if (!hasSubjects || grants === undefined) continue;
          if (grants.shardLevel.length === 0 || grants.resources || grants.beyond.length > 0) continue;
          expect(isReplicated(replicate)).toBe(true);
          expect(isReplicated(roles.get(name)?.replicate ?? 'by itself')).toBe(true);
        }
      }),
    );
  });

  it('what was added goes again with what was granted, and leaves no trace', () => {
    const untouched = policy.filter((root) =>
      objectsOf(root).every(({ replicate }) => replicate !== '' && replicate?.includes(ownEntry) !== true),
    );
    fc.assert(
      fc.property(untouched, (root) => {
        const revoked = applied(everyRoleGrantsNothing(applied(root)), bootstrapWithoutGrants);
        expect(revoked).toEqual(everyRoleGrantsNothing(root));
      }),
    );
  });
});
