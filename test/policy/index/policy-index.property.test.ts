import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterRole, ClusterRoleBinding, RbacObject, Subject } from '../../../src/policy/objects.js';
import { PolicyIndex } from '../../../src/policy/index/policy-index.js';
import { replaceKind } from '../../../src/policy/index/replace-kind.js';
import { Policy } from '../../../src/policy/policy.js';
import { runAll } from '../../../src/time-slice.js';
import { words } from '../../support/words.js';

// Few names, so that they meet often.
const layers = ['root', 'cache', 'bootstrap'] as const;
const fallback = 'cache';
const newIndex = (): PolicyIndex => new PolicyIndex(layers, new Set([fallback]));
type Layer = (typeof layers)[number];

const roleName = fc.constantFrom('reader', 'writer', 'all', 'missing');
const bindingName = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const word = fc.constantFrom(...words('ann bob team system:serviceaccount:ns:bob system:authenticated'), '');
const verb = fc.constantFrom('get', 'head', 'post', '*', 'GET', '');
const url = fc.oneof(
  fc.constantFrom(...words('* ** / /* /metrics /metrics* /metrics/* /metrics/** /met*rics'), ''),
  fc.constantFrom('/METRICS', 'metrics', '/metrics/', '/metrics/slis', '/m*', '*/metrics', '/healthz'),
);
const askedPath = fc.oneof(
  fc.constantFrom(...words('/metrics /metrics/ /metrics/slis /metricsx / * /metrics* /met*rics'), ''),
  fc.string({ maxLength: 12 }).map((text) => `/${text}`),
  fc.string({ minLength: 250, maxLength: 300 }).map((text) => `/metrics/${text}`),
);

const rule = fc.record({
  verbs: fc.array(verb, { maxLength: 3 }),
  nonResourceURLs: fc.array(url, { maxLength: 4 }),
});
const role: fc.Arbitrary<ClusterRole> = fc.record({
  kind: fc.constant('ClusterRole' as const),
  name: fc.constantFrom('reader', 'writer', 'all'),
  rules: fc.array(rule, { maxLength: 3 }),
});
const subject: fc.Arbitrary<Subject> = fc.oneof(
  fc.record({ kind: fc.constantFrom('User' as const, 'Group' as const), name: word }),
  fc.record(
    {
      kind: fc.constant('ServiceAccount' as const),
      name: fc.constantFrom('bob', 'ann'),
      namespace: fc.constantFrom('ns', 'other', ''),
    },
    { requiredKeys: ['kind', 'name'] },
  ),
);
const binding: fc.Arbitrary<ClusterRoleBinding> = fc.record({
  kind: fc.constant('ClusterRoleBinding' as const),
  name: bindingName,
  role: roleName,
  subjects: fc
    .array(subject, { maxLength: 4 })
    // The same subject twice, also as the same object.
    .chain((subjects) => fc.constantFrom(subjects, [...subjects, ...subjects])),
  replicated: fc.boolean(),
});
const object: fc.Arbitrary<RbacObject> = fc.oneof(role, binding);
const identity = fc.record({ name: word, groups: fc.array(word, { maxLength: 4 }) });
const question = fc.record({ identities: fc.array(identity, { maxLength: 3 }), verb, path: askedPath });
type Question = typeof question extends fc.Arbitrary<infer Value> ? Value : never;

/** The policy as kubernetes keeps it: lists, walked from beginning to end. */
class LinearPolicy {
  readonly #objects: Readonly<Record<Layer, Map<string, RbacObject>>> = {
    root: new Map(),
    cache: new Map(),
    bootstrap: new Map(),
  };
  /** As root is until the fallback takes its place. */
  isFallbackInForce = false;

  isInForce(layer: Layer): boolean {
    if (layer === 'bootstrap') return true;
    return (layer === fallback) === this.isFallbackInForce;
  }

  set(layer: Layer, set: RbacObject): void {
    this.#objects[layer].set(`${set.kind}/${set.name}`, set);
  }

  delete(layer: Layer, kind: RbacObject['kind'], name: string): void {
    this.#objects[layer].delete(`${kind}/${name}`);
  }

  clear(layer: Layer): void {
    this.#objects[layer].clear();
  }

  copy(): LinearPolicy {
    const copy = new LinearPolicy();
    copy.isFallbackInForce = this.isFallbackInForce;
    for (const name of layers) for (const one of this.objects(name)) copy.set(name, one);
    return copy;
  }

  objects(layer: Layer): readonly RbacObject[] {
    return [...this.#objects[layer].values()];
  }

  /** Every binding that allows, by layer and name. */
  granting({ identities, verb: asked, path }: Question): readonly string[] {
    return layers.flatMap((layer, at) =>
      (this.isInForce(layer) ? this.objects(layer) : [])
        .filter((candidate) => candidate.kind === 'ClusterRoleBinding')
        .filter(({ role: name, subjects }) => {
          const seen = layers
            .slice(at)
            .filter((later) => later === layer || later !== fallback)
            .flatMap((later) => this.objects(later).map((other) => ({ later, other })));
          const first = seen.find(({ other }) => other.kind === 'ClusterRole' && other.name === name);
          const found = first?.other;
          return (
            first !== undefined &&
            this.isInForce(first.later) &&
            found?.kind === 'ClusterRole' &&
            found.rules.some(
              ({ verbs, nonResourceURLs }) =>
                (verbs.includes('*') || verbs.includes(asked)) &&
                nonResourceURLs.some((pattern) => covers(pattern, path)),
            ) &&
            identities.some((who) => subjects.some((one) => applies(one, who)))
          );
        })
        .map(({ name }) => `${layer}/${name}`),
    );
  }
}

function covers(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.replace(/\*+$/, '')) : pattern === path;
}

function applies(one: Subject, who: { readonly name: string; readonly groups: readonly string[] }): boolean {
  if (one.kind === 'Group') return who.groups.includes(one.name);
  if (one.kind === 'User') return who.name === one.name;
  return Boolean(one.namespace) && who.name === `system:serviceaccount:${one.namespace ?? ''}:${one.name}`;
}

function expectSame(index: PolicyIndex, linear: LinearPolicy, asked: Question): void {
  const found = index.find(asked.identities, asked.verb, asked.path);
  const granting = linear.granting(asked);
  if (found === undefined) {
    expect(granting).toEqual([]);
    return;
  }
  expect(granting).toContain(`${found.reference.layer.name}/${found.binding.name}`);
  expect(found.binding.subjects).toContain(found.subject);
  expect(asked.identities.some((who) => applies(found.subject, who))).toBe(true);
}

function expectSameHoldings(index: PolicyIndex, linear: LinearPolicy): void {
  for (const layer of layers) {
    const held = linear.objects(layer);
    const clusterRoles = held.filter(({ kind }) => kind === 'ClusterRole').length;
    expect(index.describe(layer)).toEqual({
      inForce: linear.isInForce(layer),
      clusterRoles,
      clusterRoleBindings: held.length - clusterRoles,
    });
  }
  const listed = [...index.bindings()].map(({ layer, binding: { name } }) => `${layer}/${name}`);
  const held = layers.flatMap((layer) =>
    linear
      .objects(layer)
      .filter(({ kind }) => kind === 'ClusterRoleBinding')
      .map(({ name }) => `${layer}/${name}`),
  );
  expect(listed.sort()).toEqual(held.sort());
}

/** What the types forbid and a caller in JavaScript may pass. */
const malformed = fc
  .record({
    name: fc.oneof(roleName, bindingName),
    part: fc.constantFrom<object>(
      { kind: 'ClusterRole' },
      { kind: 'ClusterRole', rules: [null] },
      { kind: 'ClusterRole', rules: [{ verbs: ['get'] }] },
      { kind: 'ClusterRole', rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics', 5] }] },
      { kind: 'ClusterRole', rules: [{ verbs: 5, nonResourceURLs: ['/metrics'] }] },
      { kind: 'ClusterRoleBinding', role: 'reader' },
      { kind: 'ClusterRoleBinding', role: 'reader', subjects: [{ kind: 'User', name: 'ann' }, null] },
    ),
  })
  .map(({ name, part }) => ({ ...part, name }) as unknown as RbacObject);

const layer = fc.constantFrom(...layers);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('set' as const), layer, object }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('delete' as const),
      layer,
      kind: fc.constantFrom('ClusterRole' as const, 'ClusterRoleBinding' as const),
      name: fc.oneof(roleName, bindingName),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('replace' as const),
      layer,
      objects: fc.array(object, { maxLength: 8 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('replaceAll' as const),
      layer,
      objects: fc.array(object, { maxLength: 8 }),
      // Asked between two steps, in one of which something else changes.
      question,
      meanwhile: fc.record({ at: fc.nat(20), layer, object }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('replaceKind' as const),
      layer,
      kind: fc.constantFrom('ClusterRole' as const, 'ClusterRoleBinding' as const),
      objects: fc.array(object, { maxLength: 8 }),
      // Asked between two steps: nobody is granted what neither the old policy nor the new one grants.
      question,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('force' as const), isFallbackInForce: fc.boolean() }),
  },
  // Questions between the changes: what is remembered of one must not outlive the next.
  { weight: 4, arbitrary: fc.record({ type: fc.constant('ask' as const), question }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

function take(index: PolicyIndex, linear: LinearPolicy, taken: Step): void {
  switch (taken.type) {
    case 'set':
      index.apply(taken.layer, { type: 'set', object: taken.object });
      linear.set(taken.layer, taken.object);
      return;
    case 'delete':
      index.apply(taken.layer, { type: 'delete', kind: taken.kind, name: taken.name });
      linear.delete(taken.layer, taken.kind, taken.name);
      return;
    case 'replace':
      runAll(index.replaceAll(taken.layer, taken.objects));
      linear.clear(taken.layer);
      for (const one of taken.objects) linear.set(taken.layer, one);
      return;
    case 'replaceAll': {
      const { identities, verb: asked, path } = taken.question;
      const { meanwhile } = taken;
      const steps = index.replaceAll(taken.layer, taken.objects);
      const replaced = (): ReadonlySet<string> => {
        const of = linear.copy();
        of.clear(taken.layer);
        for (const one of taken.objects) of.set(taken.layer, one);
        return new Set(of.granting(taken.question));
      };
      let [old, fresh] = [new Set(linear.granting(taken.question)), replaced()];
      for (let at = 0; steps.next().done !== true; at += 1) {
        if (at === meanwhile.at && meanwhile.layer !== taken.layer) {
          index.apply(meanwhile.layer, { type: 'set', object: meanwhile.object });
          linear.set(meanwhile.layer, meanwhile.object);
          [old, fresh] = [new Set(linear.granting(taken.question)), replaced()];
        }
        const found = index.find(identities, asked, path);
        const name = found && `${found.reference.layer.name}/${found.binding.name}`;
        const isOne = (granting: ReadonlySet<string>): boolean =>
          name === undefined ? granting.size === 0 : granting.has(name);
        // Whole, the old policy or the new one.
        expect([isOne(old), isOne(fresh)]).toContain(true);
      }
      linear.clear(taken.layer);
      for (const one of taken.objects) linear.set(taken.layer, one);
      return;
    }
    case 'replaceKind': {
      const objects = taken.objects.filter(({ kind }) => kind === taken.kind);
      const old = linear.objects(taken.layer).filter(({ kind }) => kind === taken.kind);
      const grantingBefore = linear.granting(taken.question);
      for (const { name } of old) linear.delete(taken.layer, taken.kind, name);
      for (const one of objects) linear.set(taken.layer, one);
      const grantingAfter = linear.granting(taken.question);
      const { identities, verb: asked, path } = taken.question;
      const steps = replaceKind(index, taken.layer, taken.kind, objects);
      while (steps.next().done !== true) {
        const found = index.find(identities, asked, path);
        if (found === undefined || hasDuplicates(objects)) continue;
        const name = `${found.reference.layer.name}/${found.binding.name}`;
        expect([...grantingBefore, ...grantingAfter]).toContain(name);
      }
      return;
    }
    case 'force':
      index.setInForce('root', !taken.isFallbackInForce);
      index.setInForce(fallback, taken.isFallbackInForce);
      linear.isFallbackInForce = taken.isFallbackInForce;
      return;
    case 'ask':
      expectSame(index, linear, taken.question);
  }
}

/** Of two objects of one name the last one counts, but between two steps the first may. */
function hasDuplicates(objects: readonly RbacObject[]): boolean {
  return new Set(objects.map(({ name }) => name)).size < objects.length;
}

describe('the policy index', () => {
  it('decides as a walk over all bindings does, whatever came before', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.array(question, { maxLength: 10 }),
        (steps, questions) => {
          const index = newIndex();
          const linear = new LinearPolicy();
          for (const taken of steps) take(index, linear, taken);
          for (const asked of questions) expectSame(index, linear, asked);
          expectSameHoldings(index, linear);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('is after any changes as one that was built of what is left', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.array(question, { maxLength: 15 }),
        (steps, questions) => {
          const index = newIndex();
          const linear = new LinearPolicy();
          for (const taken of steps) take(index, linear, taken);
          const fresh = newIndex();
          // As a snapshot is: what the index says it holds.
          for (const name of layers) runAll(fresh.replaceAll(name, index.objects(name)));
          fresh.setInForce('root', !linear.isFallbackInForce);
          fresh.setInForce(fallback, linear.isFallbackInForce);
          for (const asked of questions) {
            const { identities, verb: askedVerb, path } = asked;
            const granted = index.find(identities, askedVerb, path) !== undefined;
            expect(fresh.find(identities, askedVerb, path) !== undefined).toBe(granted);
          }
          const dangling = (of: PolicyIndex): readonly string[] =>
            [...of.bindings()]
              .filter(({ reference }) => !reference.resolved)
              .map(({ layer: name, binding: { name: bound } }) => `${name}/${bound}`)
              .sort();
          expect(dangling(index)).toEqual(dangling(fresh));
          const found = [...index.danglingBindings()].filter((one) => one !== undefined);
          expect(found.map(({ layer: name, binding }) => `${name}/${binding.name}`).sort()).toEqual(
            dangling(index),
          );
        },
      ),
      { numRuns: 700 },
    );
  });

  it('holds and grants nothing once everything was deleted', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.boolean(),
        fc.array(question, { minLength: 5, maxLength: 15 }),
        (steps, byReplacing, questions) => {
          const index = newIndex();
          const linear = new LinearPolicy();
          for (const taken of steps) take(index, linear, taken);
          for (const name of layers) {
            if (byReplacing) runAll(index.replaceAll(name, []));
            for (const { kind, name: deleted } of linear.objects(name)) {
              index.apply(name, { type: 'delete', kind, name: deleted });
            }
            expect(index.describe(name)).toMatchObject({ clusterRoles: 0, clusterRoleBindings: 0 });
          }
          for (const { identities, verb: asked, path } of questions) {
            expect(index.find(identities, asked, path)).toBeUndefined();
          }
          // No binding, so no one who could be found by a role that comes back.
          for (const name of ['reader', 'writer', 'all', 'missing']) {
            const rules = [{ verbs: ['*'], nonResourceURLs: ['*'] }];
            index.apply('root', { type: 'set', object: { kind: 'ClusterRole', name, rules } });
          }
          for (const { identities, verb: asked, path } of questions) {
            expect(index.find(identities, asked, path)).toBeUndefined();
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('forgets what it remembered of large groups and paths of many roles', () => {
    const many = 200;
    const set = (index: PolicyIndex, one: RbacObject): void => {
      index.apply('root', { type: 'set', object: one });
    };
    const roleOf = (at: number, nonResourceURLs: readonly string[]): ClusterRole => ({
      kind: 'ClusterRole',
      name: `role-${at}`,
      rules: [{ verbs: ['get'], nonResourceURLs }],
    });
    const index = newIndex();
    for (let at = 0; at < many; at += 1) {
      const isOthers = at % 2 === 0;
      set(index, roleOf(at, [isOthers ? '/metrics' : '/healthz']));
      set(index, {
        kind: 'ClusterRoleBinding',
        name: `binding-${at}`,
        role: `role-${at}`,
        subjects: [{ kind: 'Group', name: isOthers ? 'others' : 'team' }],
        replicated: true,
      });
    }
    const ask = (asked = 'get'): string | undefined =>
      index.find([{ name: 'ann', groups: ['team'] }], asked, '/metrics')?.binding.name;
    expect([ask(), ask(), ask('head')]).toEqual([undefined, undefined, undefined]);
    set(index, roleOf(1, ['/metrics']));
    expect([ask(), ask(), ask('head')]).toEqual(['binding-1', 'binding-1', undefined]);
    index.apply('root', { type: 'delete', kind: 'ClusterRoleBinding', name: 'binding-1' });
    expect([ask(), ask()]).toEqual([undefined, undefined]);
    set(index, roleOf(3, ['/met*']));
    expect([ask(), ask()]).toEqual(['binding-3', 'binding-3']);
    index.apply('root', { type: 'delete', kind: 'ClusterRole', name: 'role-3' });
    expect([ask(), ask()]).toEqual([undefined, undefined]);
    runAll(index.replaceAll('root', []));
    expect(ask()).toBeUndefined();
  });

  it('is as it was before when an object of a change is malformed, wherever it stands', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 20 }),
        layer,
        fc.array(object, { maxLength: 6 }),
        malformed,
        fc.array(object, { maxLength: 3 }),
        fc.array(question, { maxLength: 10 }),
        (steps, into, before, broken, after, questions) => {
          const index = newIndex();
          const linear = new LinearPolicy();
          for (const taken of steps) take(index, linear, taken);
          expect(() => {
            runAll(index.replaceAll(into, [...before, broken, ...after]));
          }).toThrow(TypeError);
          expect(() => {
            index.apply(into, { type: 'set', object: broken });
          }).toThrow(TypeError);
          for (const asked of questions) expectSame(index, linear, asked);
          expectSameHoldings(index, linear);
          // Nor does anything come to light with the next change.
          for (const one of before) take(index, linear, { type: 'set', layer: into, object: one });
          for (const asked of questions) expectSame(index, linear, asked);
          expectSameHoldings(index, linear);
        },
      ),
      { numRuns: 700 },
    );
  });

  it('a policy whose replacement is malformed is not synced by it', () => {
    const policy = new Policy({ layers: ['root'] });
    const sink = policy.sink('root');
    const good: RbacObject = {
      kind: 'ClusterRoleBinding',
      name: 'good',
      role: 'reader',
      subjects: [{ kind: 'User', name: 'ann' }],
      replicated: true,
    };
    const broken = { kind: 'ClusterRole', name: 'broken' } as RbacObject;
    expect(() => {
      sink.replace([good, broken]);
    }).toThrow(TypeError);
    expect(policy.status()).toEqual([
      { layer: 'root', state: 'syncing', ageMs: 0, inForce: true, clusterRoles: 0, clusterRoleBindings: 0 },
    ]);
  });

  it('names the layer that it does not have', () => {
    const index = newIndex();
    expect(() => index.describe('nowhere')).toThrow('no policy layer "nowhere"');
  });
});
