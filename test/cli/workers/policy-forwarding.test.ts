import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FollowedPrimary, silenceMs } from '../../../src/cli/workers/followed-primary.js';
import type { PolicyOperation } from '../../../src/cli/workers/link-messages.js';
import { PolicyBroadcast, PolicyOutbox } from '../../../src/cli/workers/policy-broadcast.js';
import { openPolicy } from '../../../src/policy/open-policy.js';
import type { PolicyObject } from '../../../src/policy/objects.js';
import { Policy, type PolicySink } from '../../../src/policy/policy.js';
import { steadyNow } from '../../../src/timer.js';
import { WorkspaceIndex } from '../../../src/policy/index/workspace-index.js';
import { runInSlices } from '../../../src/time-slice.js';

const layers = ['root', 'cache'];
const fallbacks = new Map([['root', 'cache']]);

interface Clock {
  now: number;
}

/** A worker's copy of a policy, told over a channel that structured clones go through. */
class Copy {
  readonly followed: FollowedPrimary;
  readonly outbox: PolicyOutbox;
  #policy: Policy | undefined;
  #messages = 0;

  constructor(clock?: Clock) {
    this.followed = clock === undefined ? new FollowedPrimary() : new FollowedPrimary(() => clock.now);
    this.outbox = new PolicyOutbox({
      send: (operations) => {
        this.#messages += 1;
        const received = structuredClone<readonly PolicyOperation[]>(operations);
        void this.followed.take(received).then(() => {
          this.#messages -= 1;
          this.outbox.applied();
        });
      },
      onOverflow: () => undefined,
    });
  }

  get policy(): Policy {
    if (this.#policy === undefined) throw new Error('not open');
    return this.#policy;
  }

  async open(): Promise<void> {
    const sources = layers.map((layer) => this.followed.source(layer));
    this.#policy = (await openPolicy({ sources, fallbacks, bootstrap: false })).policy;
    this.followed.begin();
  }

  async settled(): Promise<void> {
    while (this.#messages > 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** All that decisions are made of, but for the exact age. */
function stateOf(policy: Policy): unknown {
  const byName = (some: PolicyObject, other: PolicyObject): number =>
    `${some.kind}${some.name}` < `${other.kind}${other.name}` ? -1 : 1;
  return {
    unavailable: policy.unavailable(),
    layers: policy.status().map(({ layer, state, reason, inForce }) => ({ layer, state, reason, inForce })),
    objects: layers.map((layer) => [...policy.objects(layer)].sort(byName)),
  };
}

const name = fc.constantFrom('a', 'b', 'c');
const role = fc.record({
  kind: fc.constant('ClusterRole' as const),
  name,
  rules: fc.constantFrom([], [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }]),
});
const binding = fc.record({
  kind: fc.constant('ClusterRoleBinding' as const),
  name,
  role: name,
  subjects: fc.array(fc.record({ kind: fc.constantFrom('User' as const, 'Group' as const), name }), {
    maxLength: 2,
  }),
  replicated: fc.boolean(),
});
const unique = <Named extends PolicyObject>(object: fc.Arbitrary<Named>): fc.Arbitrary<Named[]> =>
  fc.uniqueArray(object, { selector: (named) => named.name, maxLength: 3 });

type Step = (sink: PolicySink) => void | Promise<void>;
const replaceKind =
  (kind: PolicyObject['kind'], objects: readonly PolicyObject[]): Step =>
  (sink) =>
    runInSlices(sink.replaceKind(kind, objects));
const reason = fc.constantFrom('connection refused', 'gone');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.oneof(role, binding).map((object): Step => (sink) => {
    sink.apply({ type: 'set', object });
  }),
  fc
    .tuple(fc.constantFrom('ClusterRole' as const, 'ClusterRoleBinding' as const), name)
    .map(([kind, gone]): Step => (sink) => {
      sink.apply({ type: 'delete', kind, name: gone });
    }),
  unique(role).map((objects) => replaceKind('ClusterRole', objects)),
  unique(binding).map((objects) => replaceKind('ClusterRoleBinding', objects)),
  fc.tuple(unique(role), unique(binding)).map(([roles, bindings]): Step => (sink) => {
    sink.replace([...roles, ...bindings]);
  }),
  fc.tuple(unique(role), unique(binding)).map(([roles, bindings]): Step => (sink) => {
    return runInSlices(sink.replaceAll([...roles, ...bindings]));
  }),
  fc.constant<Step>((sink) => {
    sink.markSynced();
  }),
  reason.map((why): Step => (sink) => {
    sink.markStale(why, steadyNow() - 5000);
  }),
  fc.tuple(unique(role), reason).map(([roles, why]): Step => (sink) => {
    sink.restore(roles, steadyNow() - 60_000, why);
  }),
);
const steps = fc.array(fc.record({ layer: fc.constantFrom(...layers), step }), { maxLength: 12 });

describe('a policy that workers are told of', () => {
  it('is the same in all of them, whenever they begin and whatever happens to it', async () => {
    await fc.assert(
      fc.asyncProperty(steps, steps, async (before, after) => {
        const policy = new Policy({ layers, fallbacks });
        const broadcast = new PolicyBroadcast();
        const sinks = new Map(layers.map((layer) => [layer, broadcast.through(layer, policy.sink(layer))]));
        const run = async (taken: typeof before): Promise<void> => {
          for (const { layer, step: take } of taken) {
            const sink = sinks.get(layer);
            if (sink !== undefined) await take(sink);
          }
        };
        const early = new Copy();
        await broadcast.attach(policy, early.outbox);
        await early.open();
        await run(before);
        const late = new Copy();
        await broadcast.attach(policy, late.outbox);
        await late.open();
        await late.followed.whole;
        await run(after);
        await Promise.all([early.settled(), late.settled()]);
        expect(stateOf(early.policy)).toEqual(stateOf(policy));
        expect(stateOf(late.policy)).toEqual(stateOf(policy));
      }),
      { numRuns: 200 },
    );
  });

  it('brings the policies of workspaces, also to a worker that begins late', async () => {
    const cluster = 'c1';
    const objects: readonly PolicyObject[] = [
      {
        kind: 'LogicalCluster',
        name: 'cluster',
        cluster,
        path: 'root:a',
        requiredGroups: 'x',
        isReady: true,
      },
      { kind: 'ClusterRole', name: 'r', rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }], cluster },
      { kind: 'ClusterRoleBinding', name: 'b', role: 'r', subjects: [], replicated: false, cluster },
    ];
    const index = (): WorkspaceIndex => new WorkspaceIndex('workspaces', 'bootstrap', true);
    const policy = new Policy({ layers: ['bootstrap'], workspaces: index() });
    policy.sink('bootstrap').replace([{ kind: 'ClusterRole', name: 'admin', rules: [] }]);
    const broadcast = new PolicyBroadcast();
    const sink = broadcast.through('workspaces', policy.sink('workspaces'));
    sink.replace(objects.slice(0, 2));
    const copy = new Copy();
    await broadcast.attach(policy, copy.outbox);
    const workspaces = { source: copy.followed.source('workspaces'), requiresLogicalCluster: true };
    const sources = [copy.followed.source('bootstrap')];
    const { policy: followed } = await openPolicy({ sources, workspaces, bootstrap: false });
    copy.followed.begin();
    await copy.followed.whole;
    const isTheSame = (): void => {
      for (const layer of ['bootstrap', 'workspaces']) {
        expect(followed.objects(layer)).toEqual(policy.objects(layer));
      }
      expect(followed.workspacesUnavailable()).toBeUndefined();
      expect(followed.workspaces?.named('root:a')?.requiredGroups).toEqual([['x']]);
    };
    isTheSame();
    const [, , bound] = objects;
    if (bound !== undefined) sink.apply({ type: 'set', object: bound });
    await copy.settled();
    isTheSame();
    sink.apply({ type: 'delete', kind: 'ClusterRole', name: 'r', cluster });
    await copy.settled();
    isTheSame();
  });

  it('comes in messages of bounded size, no faster than they are taken', () => {
    const sent: (readonly PolicyOperation[])[] = [];
    const outbox = new PolicyOutbox({
      send: (operations) => sent.push(operations),
      onOverflow: () => undefined,
    });
    const objects = Array.from({ length: 5000 }, (_, index) => ({
      kind: 'ClusterRole' as const,
      name: `role-${index}`,
      rules: [],
    }));
    outbox.add({ objects, operation: { kind: 'replace', layer: 'root' } });
    expect(sent.length).toBe(4);
    for (let taken = 0; taken < 100; taken += 1) outbox.applied();
    const sizes = sent.map((operations) =>
      operations.reduce((sum, one) => sum + (one.kind === 'objects' ? one.objects.length : 0), 0),
    );
    expect(Math.max(...sizes)).toBe(200);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(5000);
    expect(sent.at(-1)?.at(-1)).toEqual({ kind: 'replace', layer: 'root' });
  });

  it('comes in more messages where objects are large', () => {
    const sent: (readonly PolicyOperation[])[] = [];
    const send = (operations: readonly PolicyOperation[]): number => sent.push(operations);
    const outbox = new PolicyOutbox({ send, onOverflow: () => undefined });
    const subjects = Array.from({ length: 400 }, (_, at) => ({ kind: 'User' as const, name: `user-${at}` }));
    const objects = Array.from({ length: 100 }, (_, at) => ({
      kind: 'ClusterRoleBinding' as const,
      name: `binding-${at}`,
      role: 'role',
      subjects,
      replicated: false,
    }));
    outbox.add({ objects, operation: { kind: 'replace', layer: 'root' } });
    for (const object of objects)
      outbox.add({ operation: { kind: 'apply', layer: 'root', change: { type: 'set', object } } });
    for (let taken = 0; taken < 200; taken += 1) outbox.applied();
    const sizes = sent.map((operations) =>
      operations.reduce((sum, one) => {
        if (one.kind === 'objects') return sum + one.objects.length;
        return one.kind === 'apply' ? sum + 1 : sum;
      }, 0),
    );
    // A thousand subjects, and what one object is beyond that.
    expect(Math.max(...sizes)).toBe(3);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(200);
  });

  it('is given up for a worker that takes nothing for too long', () => {
    let overflows = 0;
    const outbox = new PolicyOutbox({ send: () => undefined, onOverflow: () => (overflows += 1) });
    for (let index = 0; index < 200_000; index += 1)
      outbox.add({ operation: { kind: 'synced', layer: 'root' } });
    expect([overflows, outbox.isClosed]).toEqual([1, true]);
  });

  it('is stale in a worker that hears nothing of the process that follows it, until it does again', async () => {
    const clock: Clock = { now: 1000 };
    const policy = new Policy({ layers, fallbacks });
    policy.sink('root').replace([]);
    policy.sink('cache').restore([], steadyNow(), 'from a snapshot');
    const copy = new Copy(clock);
    await new PolicyBroadcast().attach(policy, copy.outbox);
    await copy.open();
    await copy.settled();
    const states = (): readonly string[] => copy.policy.status().map(({ state }) => state);
    clock.now += silenceMs;
    copy.followed.look();
    expect(states()).toEqual(['synced', 'stale']);
    clock.now += 1;
    copy.followed.look();
    copy.followed.look();
    expect(states()).toEqual(['stale', 'stale']);
    copy.followed.heard();
    expect(states()).toEqual(['synced', 'stale']);
  });
});
