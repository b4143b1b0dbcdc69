import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openApiClient } from '../../src/kubernetes/kubeconfig/kubeconfig-client.js';
import { decodeBinding, decodeRole } from '../../src/replication/root-objects.js';
import { planReplication } from '../../src/replication/plan.js';
import { Replicator } from '../../src/replication/replicator.js';
import { bootstrap, getMetrics, getPods, rootPolicy, sentBinding, sentRole } from './root-objects.js';
import { RootServer, type Resource, type Script } from '../support/root-server.js';
import { ownEntry } from '../../src/replication/annotation.js';

type Step = (root: RootServer) => void;
type Fault = ReturnType<NonNullable<Script['onPatch']>>;

const roleName = fc.constantFrom('own', 'other', 'system:kcp:metrics-reader');
const bindingName = fc.constantFrom('a', 'b', 'c');
const othersWord = fc.constantFrom(undefined, 'core.kcp.io', 'apis.kcp.io');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(roleName, fc.constantFrom([getMetrics], [getPods], [getMetrics, getPods]), othersWord)
    .map(([name, rules, word]): Step => (root) => {
      root.put('clusterroles', sentRole(name, rules, word));
    }),
  fc.tuple(bindingName, roleName, othersWord).map(([name, role, word]): Step => (root) => {
    root.put('clusterrolebindings', sentBinding(name, role, word === undefined ? {} : { replicate: word }));
  }),
  fc.tuple(bindingName).map(([name]): Step => (root) => {
    root.delete('clusterrolebindings', name);
  }),
  fc.constant<Step>((root) => {
    root.hangUp();
  }),
);
const fault = fc.constantFrom<Fault | 'meddle'>(
  undefined,
  'hang up',
  'meddle',
  { status: 500 },
  { status: 429 },
);

const isConverged = (root: RootServer): boolean => {
  const policy = rootPolicy([
    ...root.objects('clusterroles').map(decodeRole),
    ...root.objects('clusterrolebindings').map(decodeBinding),
  ]);
  return planReplication(policy, bootstrap).changes.length === 0;
};
const wordsOfOthers = (root: RootServer): readonly string[] =>
  (['clusterroles', 'clusterrolebindings'] as const).flatMap((resource) =>
    root
      .objects(resource)
      .map(({ metadata: { name } }) => `${resource} ${name} ${othersAt(root, resource, name).join()}`),
  );
const othersAt = (root: RootServer, resource: Resource, name: string): readonly string[] =>
  root
    .annotation(resource, name)
    ?.split(',')
    .filter((word) => word !== ownEntry) ?? [];

describe('a replicator', () => {
  it('brings root to where there is nothing left to change, whatever happens on the way', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.array(fault, { maxLength: 4 }),
        async (steps, faults) => {
          const root = await RootServer.start();
          const client = await openApiClient({ kubeconfig: root.kubeconfig });
          const timing = { gatherMs: 2, conflictMs: 20, backoffBaseMs: 20 };
          const replicator = new Replicator({ client, bootstrap, timing, onEvent: () => undefined });
          const ended = replicator.run();
          try {
            const left = [...faults];
            root.script.onPatch = ({ resource, name }) => {
              const next = left.shift();
              if (next !== 'meddle') return next;
              root.annotate(resource, name, root.annotation(resource, name));
              return undefined;
            };
            for (const each of steps) {
              each(root);
              await new Promise(setImmediate);
            }
            const words = wordsOfOthers(root);
            await new Promise<void>((resolve) => {
              root.script.onChange = () => {
                if (isConverged(root)) resolve();
              };
              root.script.onChange();
            });
            expect(wordsOfOthers(root)).toEqual(words);
          } finally {
            await replicator.close();
            client.close();
            await root.stop();
          }
          expect(await ended).toBe(true);
        },
      ),
      { numRuns: 12 },
    );
  });
});
