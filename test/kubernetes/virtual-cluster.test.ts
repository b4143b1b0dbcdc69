import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { checkApiServerSource } from '../../src/cli/doctor/source-checks.js';
import {
  openVirtualCluster,
  podSelector,
  podsPath,
  type VirtualCluster,
  type VirtualClusterOptions,
} from '../../src/kubernetes/virtual-cluster.js';
import { closedAtEnd } from '../support/ending.js';
import { HostCluster, type PodOnHost } from '../support/host-cluster.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

const soon = { timeout: 20_000, interval: 10 };
const mark = 'vcluster.loft.sh/object-';

let directory: TemporaryDirectory;
let host: HostCluster;
beforeEach(async () => {
  directory = temporaryDirectory();
  host = await new HostCluster().start();
});

async function following(options: Partial<VirtualClusterOptions> = {}): Promise<VirtualCluster> {
  const kubeconfig = directory.write('host.kubeconfig', host.kubeconfig);
  const cluster = closedAtEnd(
    await openVirtualCluster({ kubeconfig, name: 'dev', namespace: '*', ...options }),
  );
  cluster.start();
  await expect.poll(() => cluster.unavailable(), soon).toBeUndefined();
  return cluster;
}

/** Everything that was told before has arrived when a pod told now has. */
async function caughtUp(cluster: VirtualCluster): Promise<void> {
  host.set({ namespace: 'marks', name: 'mark', is: ['marks', 'mark'] });
  await expect.poll(() => cluster.find('marks', 'mark'), soon).toBeDefined();
  host.delete('mark', 'marks');
  await expect.poll(() => cluster.find('marks', 'mark'), soon).toBeUndefined();
}

describe('a pod of the host', () => {
  const named = { [`${mark}namespace`]: 'default', [`${mark}name`]: 'web-0' };
  it.each<[what: string, annotations: Readonly<Record<string, string>>, isNamed: boolean]>([
    ['with both names', named, true],
    ['with a long name', { ...named, [`${mark}name`]: 'w'.repeat(253) }, true],
    [
      'of this name on the host',
      { ...named, [`${mark}host-name`]: 'web', [`${mark}host-namespace`]: 'team-a' },
      true,
    ],
    ['whose annotations were copied from another', { ...named, [`${mark}host-name`]: 'web-1' }, false],
    ['and from another namespace', { ...named, [`${mark}host-namespace`]: 'team-b' }, false],
    ['with those of no pod', { ...named, [`${mark}kind`]: 'apps/v1, Kind=Deployment' }, false],
    ['with those of a pod', { ...named, [`${mark}kind`]: '/v1, Kind=Pod' }, true],
    ['without a name', { [`${mark}namespace`]: 'default' }, false],
    ['without a namespace', { [`${mark}name`]: 'web-0' }, false],
    ['without any', {}, false],
    ...['', 'Web', 'web_0', 'a"', 'a/b', 'ü', 'a\n', '-a', 'a-', 'w'.repeat(254), '{', '\u0000'].map(
      (name): [string, Record<string, string>, boolean] => [
        `called ${name}`,
        { ...named, [`${mark}name`]: name },
        false,
      ],
    ),
    ...['a.b', 'n'.repeat(64), 'N'].map((namespace): [string, Record<string, string>, boolean] => [
      `in ${namespace}`,
      { ...named, [`${mark}namespace`]: namespace },
      false,
    ]),
  ])('%s', async (_what, annotations, isNamed) => {
    host.set({ name: 'web', annotations });
    const cluster = await following();
    expect(cluster.find('team-a', 'web') !== undefined).toBe(isNamed);
    expect(cluster.status()).toMatchObject({ pods: isNamed ? 1 : 0, nameless: isNamed ? 0 : 1 });
    // Where nothing of it is shown, its node shows nothing.
    expect(cluster.hasNode('host-1')).toBe(isNamed);
  });
});

const namespaces = ['team-a', 'team-b'] as const;
const change = fc.record({
  namespace: fc.constantFrom(...namespaces),
  name: fc.constantFrom('web', 'web-0', 'web-0-x', 'api'),
  what: fc.constantFrom('set', 'set', 'set', 'delete'),
  of: fc.constantFrom('dev', 'dev', 'other', 'de', 'dev-2'),
  is: fc.option(
    fc.tuple(fc.constantFrom('default', 'billing', 'Bad'), fc.constantFrom('web', 'web-0', 'x"y', 'ü')),
    { nil: undefined },
  ),
  node: fc.constantFrom('host-1', 'host-2'),
});

describe('whatever comes and goes', () => {
  it('exactly the pods that are there have names, each of one pod alone', async () => {
    const cluster = await following();
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 40 }), async (changes) => {
        const there = new Map<string, PodOnHost>();
        for (const { what, of, is, node, namespace, name } of changes) {
          const key = `${namespace}/${name}`;
          if (what === 'delete') {
            if (there.delete(key)) host.delete(name, namespace);
          } else {
            const pod = { namespace, name, of, node, ...(is && { is }) };
            there.set(key, pod);
            host.set(pod);
          }
        }
        await caughtUp(cluster);
        const own = [...there].filter(([, { of }]) => of === 'dev');
        const isNamed = ({ is }: PodOnHost): boolean =>
          is !== undefined && /^[a-z0-9-]+\/[a-z0-9-]+$/.test(is.join('/'));
        const named = own.filter(([, pod]) => isNamed(pod));
        const alone = named.filter(
          ([, { is }]) => named.filter(([, other]) => other.is?.join('/') === is?.join('/')).length === 1,
        );
        const expected = new Map(alone.map(([key, { is }]) => [key, is?.join('/')]));
        const found = namespaces.flatMap((namespace) =>
          ['web', 'web-0', 'web-0-x', 'api'].map((name) => {
            const virtual = cluster.find(namespace, name);
            return [`${namespace}/${name}`, virtual && `${virtual.namespace}/${virtual.name}`] as const;
          }),
        );
        expect(found).toEqual(found.map(([key]) => [key, expected.get(key)]));
        expect(cluster.status()).toMatchObject({ pods: alone.length, nameless: own.length - alone.length });
        for (const node of ['host-1', 'host-2']) {
          expect(cluster.hasNode(node)).toBe(named.some(([, pod]) => pod.node === node));
          // A kubelet speaks for the pods of its own node alone.
          const ofNode = cluster.ofNode(node);
          for (const [key, name] of found) {
            const [namespace = '', pod = ''] = key.split('/');
            const isThere = name !== undefined && there.get(key)?.node === node;
            expect(ofNode.find(namespace, pod) !== undefined).toBe(isThere);
            expect(ofNode.findPod(namespace, pod) !== undefined).toBe(isThere);
          }
        }
        for (const [, { namespace, name }] of there) host.delete(name, namespace);
      }),
      { numRuns: 20, endOnFailure: true },
    );
  });
});

describe('doctor', () => {
  it('asks for the very pods that are followed', async () => {
    const kubeconfig = directory.write('host.kubeconfig', host.kubeconfig);
    const pods = { kind: 'Pods', path: podsPath({ namespace: 'team-a' }), labelSelector: podSelector('dev') };
    const source = { role: 'host', subject: 'host', kubeconfig, resources: [pods] } as const;
    const { server = [], isReadable } = await checkApiServerSource(source, Date.now());
    expect(isReadable).toBe(true);
    expect(server[0]?.message).toMatch(/lets a token list and watch Pods, and answers in \d+ ms$/);
    const asked = host.requests.map(({ url }) => url);
    expect(asked).toHaveLength(2);
    for (const url of asked)
      expect(url).toMatch(
        /^\/api\/v1\/namespaces\/team-a\/pods\?labelSelector=vcluster\.loft\.sh%2Fmanaged-by%3Ddev&/,
      );
    host.failsWith = 403;
    const refused = await checkApiServerSource(source, Date.now());
    expect(refused.server?.map(({ check, level, message }) => [check, level, message])).toEqual([
      [
        'virtual-cluster',
        'error',
        expect.stringMatching(/cannot list pods, watch pods, 403 .*let this user list and watch pods/),
      ],
    ]);
  });
});
