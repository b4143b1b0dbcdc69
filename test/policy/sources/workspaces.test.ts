import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { workspaceAccess } from '../../../src/authorization/workspace-access.js';
import { openPolicy, type OpenPolicy } from '../../../src/policy/open-policy.js';
import { workspacesPolicySource } from '../../../src/policy/sources/api-server.js';
import { directoryPolicySource } from '../../../src/policy/sources/directory.js';
import { clusterRoleOf, inCluster, logicalClusterOf } from '../../../src/policy/sources/kubernetes-object.js';
import { parseManifest } from '../../../src/policy/sources/manifest.js';
import { closedAtEnd } from '../../support/ending.js';
import { RootServer, type Resource, type SentObject } from '../../support/root-server.js';
import { temporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.js';

const resources = ['clusterroles', 'clusterrolebindings', 'logicalclusters'] as const;
const ina = '28ln1k7s9apndtq9';
const wb = 'jpdg0m2x3a6csnv4';
const alice = { name: 'alice', groups: ['system:authenticated'], extra: {} };

function recordedItems(resource: Resource, list = 'wildcard'): readonly SentObject[] {
  const file = new URL(`data/${list}-${resource}.json.gz`, import.meta.url);
  return (JSON.parse(gunzipSync(readFileSync(file)).toString()) as { items: readonly SentObject[] }).items;
}

function sent(cluster: string, name: string, more: object): SentObject {
  const annotations = { 'kcp.io/cluster': cluster };
  return { metadata: { name, uid: `uid-${cluster}-${name}`, resourceVersion: '1', annotations }, ...more };
}

const roleRef = (name: string): object => ({
  apiGroup: 'rbac.authorization.k8s.io',
  kind: 'ClusterRole',
  name,
});
const subjects = [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'alice' }];
const reader = (cluster: string): SentObject =>
  sent(cluster, 'metrics', { roleRef: roleRef('system:kcp:metrics-reader'), subjects });
const access = (cluster: string): SentObject =>
  sent(cluster, 'access', { roleRef: roleRef('system:kcp:workspace:access'), subjects });

const waitFor = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 10 });

describe('the policies of all workspaces of a kcp', () => {
  let server: RootServer;
  let directory: TemporaryDirectory;
  beforeEach(async () => {
    server = await RootServer.start();
    server.base = String.raw`/clusters/\*`;
    for (const resource of resources) for (const item of recordedItems(resource)) server.put(resource, item);
    directory = temporaryDirectory();
  });

  async function open(snapshotFile?: string): Promise<OpenPolicy> {
    const source = workspacesPolicySource({ kubeconfig: server.kubeconfig });
    const open = closedAtEnd(
      await openPolicy({
        sources: [],
        workspaces: { source, requiresLogicalCluster: true },
        ...(snapshotFile !== undefined && { snapshotFile }),
      }),
    );
    return open;
  }

  const mayRead = ({ policy }: OpenPolicy, workspace: string): string => {
    const asked = workspaceAccess(policy);
    return asked.unavailable() ?? asked.authorize(alice, 'get', workspace).decision;
  };

  it('are told apart, and each change is right at once: grant, revocation, path, required groups, phase, deletion', async () => {
    const followed = await open();
    expect(await followed.settled(10_000)).toEqual([]);
    const { policy } = followed;
    const asked = workspaceAccess(policy);
    const grants = (expected: Readonly<Record<string, string>>): Promise<void> =>
      waitFor(() => {
        const found = Object.keys(expected).map((name) => [name, mayRead(followed, name)]);
        expect(Object.fromEntries(found)).toEqual(expected);
      });
    // Names repeat: each workspace has its own `workspace-admin`.
    expect(policy.status().find(({ layer }) => layer === 'workspaces')).toMatchObject({
      state: 'synced',
      workspaces: 8,
      clusterRoleBindings: 14,
    });
    expect(
      ['root:wa:ina', ina, 'root', 'system:shard', 'system:admin', 'root:wx'].map((name) =>
        asked.clusterOf(name),
      ),
    ).toEqual([ina, ina, 'root', undefined, undefined, undefined]);
    server.put('clusterrolebindings', access(ina));
    server.put('clusterrolebindings', reader(ina));
    server.put('clusterrolebindings', reader(wb));
    await grants({ 'root:wa:ina': 'allow', [wb]: 'no-opinion' });
    expect(asked.authorize(alice, 'get', ina).reason).toBe(
      'RBAC: allowed by ClusterRoleBinding "metrics" of ClusterRole "system:kcp:metrics-reader" to User "alice"' +
        ` in workspace ${ina} (root:wa:ina)`,
    );
    expect([...asked.readable(alice)].filter(Boolean)).toEqual([{ cluster: ina, path: 'root:wa:ina' }]);
    server.put('clusterrolebindings', access(wb));
    await grants({ 'root:wb': 'allow' });
    // The other's of the same name stays.
    server.delete('clusterrolebindings', 'metrics', ina);
    await grants({ [ina]: 'no-opinion', [wb]: 'allow' });
    const logicalCluster = (annotations: object, phase: string): SentObject => {
      const made = sent(wb, 'cluster', { status: { phase } });
      return {
        ...made,
        metadata: { ...made.metadata, annotations: { ...made.metadata.annotations, ...annotations } },
      };
    };
    server.put('logicalclusters', logicalCluster({ 'kcp.io/path': 'root:renamed' }, 'Ready'));
    await grants({ 'root:wb': 'no-opinion', 'root:renamed': 'allow' });
    const required = { 'kcp.io/path': 'root:wb', 'authorization.kcp.io/required-groups': 'team-a' };
    server.put('logicalclusters', logicalCluster(required, 'Ready'));
    await grants({ [wb]: 'no-opinion' });
    server.put(
      'logicalclusters',
      logicalCluster(
        { ...required, 'authorization.kcp.io/required-groups': 'team-a;system:authenticated' },
        'Ready',
      ),
    );
    await grants({ [wb]: 'allow' });
    server.put('logicalclusters', logicalCluster({}, 'Unavailable'));
    await waitFor(() => {
      expect(asked.clusterOf(wb)).toBeUndefined();
    });
    expect(mayRead(followed, wb)).toBe('no-opinion');
    server.put('logicalclusters', logicalCluster({}, 'Ready'));
    await grants({ [wb]: 'allow' });
    const { version } = asked;
    server.delete('logicalclusters', 'cluster', wb);
    await waitFor(() => {
      expect(asked.clusterOf(wb)).toBeUndefined();
    });
    expect(asked.version).toBeGreaterThan(version);
  });

  it('are not loaded until all three kinds are, decide while the server is away, and come back from a snapshot', async () => {
    server.put('clusterrolebindings', access(ina));
    server.put('clusterrolebindings', reader(ina));
    server.script = { onRead: (resource) => (resource === 'logicalclusters' ? { status: 403 } : undefined) };
    const file = `${directory.path}/policy`;
    const first = await open(file);
    await waitFor(() => {
      expect(first.policy.status()).toContainEqual(
        expect.objectContaining({ layer: 'workspaces', reason: expect.stringMatching('403') as string }),
      );
    });
    expect(mayRead(first, ina)).toBe('policy layer "workspaces" is not loaded yet');
    expect(first.policy.unavailable()).toBeUndefined();
    server.script = {};
    expect(await first.settled(20_000)).toEqual([]);
    expect(mayRead(first, ina)).toBe('allow');
    server.script = { onRead: () => ({ status: 503 }) };
    server.hangUp();
    await waitFor(() => {
      expect(first.policy.status()).toContainEqual(
        expect.objectContaining({ layer: 'workspaces', state: 'stale' }),
      );
    });
    expect(mayRead(first, ina)).toBe('allow');
    await first.close();
    const second = await open(file);
    expect(mayRead(second, ina)).toBe('allow');
    expect(mayRead(second, 'root:wa:ina')).toBe('allow');
    expect(second.policy.status()).toContainEqual(
      expect.objectContaining({
        layer: 'workspaces',
        state: 'stale',
        workspaces: 8,
        clusterRoleBindings: 16,
      }),
    );
  });

  it('are known by name alone while another claims their path', async () => {
    const followed = await open();
    await followed.settled(10_000);
    for (const cluster of [ina, wb]) {
      server.put('clusterrolebindings', access(cluster));
      server.put('clusterrolebindings', reader(cluster));
    }
    const said = (): readonly string[] =>
      [ina, 'root:wa:ina', wb, 'root:wb'].map((name) => mayRead(followed, name));
    await waitFor(() => {
      expect(said()).toEqual(['allow', 'allow', 'allow', 'allow']);
    });
    const claim = (phase: string): SentObject =>
      sent(wb, 'cluster', {
        metadata: {
          ...sent(wb, 'cluster', {}).metadata,
          annotations: { 'kcp.io/cluster': wb, 'kcp.io/path': 'root:wa:ina' },
        },
        status: { phase },
      });
    for (const phase of ['Ready', 'Unavailable']) {
      server.put('logicalclusters', claim(phase));
      await waitFor(() => {
        const itself = phase === 'Ready' ? 'allow' : 'no-opinion';
        expect(said()).toEqual(['allow', 'no-opinion', itself, 'no-opinion']);
      });
      const listed = [...workspaceAccess(followed.policy).readable(alice)].filter(Boolean);
      expect(listed).toContainEqual({ cluster: ina });
    }
    server.delete('logicalclusters', 'cluster', wb);
    await waitFor(() => {
      expect(said()).toEqual(['allow', 'allow', 'no-opinion', 'no-opinion']);
    });
  });

  // A cache server has the LogicalCluster of root alone, and of the others what is replicated.
  it('are unknown to a cache server, whatever of them is replicated', async () => {
    const cache = await RootServer.start();
    cache.base = String.raw`/clusters/\*`;
    for (const resource of resources) {
      for (const item of recordedItems(resource, 'cache-wildcard')) cache.put(resource, item);
    }
    const source = workspacesPolicySource({ kubeconfig: cache.kubeconfig });
    const followed = closedAtEnd(
      await openPolicy({ sources: [], workspaces: { source, requiresLogicalCluster: true } }),
    );
    expect(await followed.settled(10_000)).toEqual([]);
    expect(followed.policy.status().at(-1)).toMatchObject({ workspaces: 1, clusterRoleBindings: 12 });
    const asked = workspaceAccess(followed.policy);
    const admin = { name: 'kcp-admin', groups: ['system:authenticated'], extra: {} };
    // `workspace-admin` binds it to cluster-admin in each.
    for (const cluster of [ina, wb]) {
      expect([asked.clusterOf(cluster), asked.authorize(admin, 'get', cluster).decision]).toEqual([
        undefined,
        'no-opinion',
      ]);
    }
    await cache.stop();
  });

  it('are listed anew for an object that does not say where it stands', async () => {
    const followed = await open();
    await followed.settled(10_000);
    const { metadata, ...rest } = reader(ina);
    server.put('clusterrolebindings', { metadata: { ...metadata, annotations: {} }, ...rest });
    await waitFor(() => {
      expect(followed.policy.status()).toContainEqual(
        expect.objectContaining({
          state: 'stale',
          reason: expect.stringMatching('kcp.io/cluster') as string,
        }),
      );
    });
    server.delete('clusterrolebindings', 'metrics');
    server.put('clusterrolebindings', access(ina));
    server.put('clusterrolebindings', reader(ina));
    await waitFor(() => {
      expect(mayRead(followed, ina)).toBe('allow');
    });
  });

  it('are reloaded from a directory, where a workspace without a LogicalCluster has a name alone', async () => {
    const manifest = (clusters: readonly string[]): string =>
      clusters
        .flatMap((cluster) => [reader(cluster), access(cluster)])
        .map((object) =>
          JSON.stringify({
            kind: 'ClusterRoleBinding',
            apiVersion: 'rbac.authorization.k8s.io/v1',
            ...object,
          }),
        )
        .join('\n---\n');
    directory.write('workspaces.yaml', manifest(['w1', 'w2']));
    const source = directoryPolicySource({
      name: 'workspaces',
      directory: directory.path,
      ofWorkspaces: true,
      settleMs: 1,
    });
    const followed = closedAtEnd(
      await openPolicy({ sources: [], workspaces: { source, requiresLogicalCluster: false } }),
    );
    expect(['w1', 'w2', 'w3'].map((name) => mayRead(followed, name))).toEqual([
      'allow',
      'allow',
      'no-opinion',
    ]);
    directory.write(
      'workspaces.yaml',
      manifest(['w2', 'w3', ...Array.from({ length: 100 }, (__, at) => `v${at}`)]),
    );
    await waitFor(() => {
      expect(['w1', 'w2', 'w3', 'v99'].map((name) => mayRead(followed, name))).toEqual([
        'no-opinion',
        'allow',
        'allow',
        'allow',
      ]);
    });
  });
});

describe('what the owner of a workspace writes on its LogicalCluster', () => {
  const made = (annotations: object, status: object | null = { phase: 'Ready' }) =>
    logicalClusterOf({
      metadata: { name: 'cluster', annotations: { 'kcp.io/cluster': 'c1', ...annotations } },
      status,
    });

  it.each([
    [{ phase: 'Initializing' }, true],
    [{ phase: 'Ready' }, true],
    [{ phase: 'Terminating' }, true],
    [{ phase: 'Deleting' }, true],
    [{ phase: 'Scheduling' }, false],
    [{ phase: 'Unavailable' }, false],
    [{ phase: 'Inactive' }, false],
    [{ phase: 'ready' }, false],
    [{ phase: 'OfALaterKcp' }, false],
    [{ phase: '' }, false],
    [{ phase: null }, false],
    [{ phase: ['Ready'] }, false],
    [{}, false],
    [null, false],
  ])('is open to nobody in a phase that kcp lets nobody in: status %j', (status, isReady) => {
    expect(made({}, status).isReady).toBe(isReady);
  });

  it.each(['core.kcp.io/inactive', 'internal.kcp.io/inactive'])('is closed by %s', (inactive) => {
    expect(made({ [inactive]: 'true' }).isReady).toBe(false);
    // As kcp reads it.
    expect(made({ [inactive]: 'True' }).isReady).toBe(true);
  });

  it.each([
    ['of 256 required groups', `${'a,'.repeat(128)}${'b;'.repeat(127)}c`, true],
    ['of 257', `${'a,'.repeat(128)}${'b;'.repeat(128)}c`, false],
    ['of groups with long names', 'g'.repeat(8193), false],
    ['of none, whose name is empty', '', true],
    ['of as many as an object holds', 'a;'.repeat(100_000), false],
  ])('makes nobody look through more than is needed: %s', (_, requiredGroups, isReady) => {
    const { requiredGroups: kept, ...logicalCluster } = made({
      'authorization.kcp.io/required-groups': requiredGroups,
    });
    expect(logicalCluster).toEqual({ kind: 'LogicalCluster', name: 'cluster', cluster: 'c1', isReady });
    expect(kept).toBe(isReady ? requiredGroups : undefined);
  });

  it.each([
    ['root:a', true],
    [`root${':a'.repeat(510)}`, true],
    [`root${':a'.repeat(511)}`, false],
    ['root:A', false],
    ['root:a\n', false],
    ['"}', false],
    // Names of logical clusters, which another shard may have, and kcp's own.
    ['root', false],
    ['2gjywtm6kg669kl2', false],
    ['system:admin', false],
    ['system:a:b', false],
    ['systems:a', true],
  ])('is its path only where it can be asked for: %j', (path, isPath) => {
    expect(made({ 'kcp.io/path': path }).path).toBe(isPath ? path : undefined);
  });
});

describe('a role that the owner of a workspace writes', () => {
  const rulesOf = (rules: readonly object[]) => {
    const metadata = { name: 'a', annotations: { 'kcp.io/cluster': 'c1' } };
    const role = inCluster(clusterRoleOf)({ metadata, rules });
    return role.kind === 'ClusterRole' ? role.rules : undefined;
  };
  const texts = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `/${at}`);

  it.each([
    ['URLs', (count: number) => [{ verbs: ['get'], nonResourceURLs: texts(count) }]],
    ['verbs', (count: number) => [{ verbs: texts(count), nonResourceURLs: ['/metrics'] }]],
    [
      'rules',
      (count: number) => texts((count + 1) / 2).map((url) => ({ verbs: ['get'], nonResourceURLs: [url] })),
    ],
  ])('grants nothing where it has more %s than any', (_, rules) => {
    expect(rulesOf(rules(4095))).toEqual(rules(4095));
    expect(rulesOf(rules(4097))).toEqual([]);
  });
});

describe('a manifest of workspaces', () => {
  const logicalCluster = (annotations: string, more = ''): string =>
    `apiVersion: core.kcp.io/v1alpha1\nkind: LogicalCluster\nmetadata:\n  name: cluster\n  annotations: {${annotations}}\n${more}`;

  it('gives LogicalClusters, with their path, required groups and phase', () => {
    const text = logicalCluster(
      'kcp.io/cluster: c1, kcp.io/path: "root:a", authorization.kcp.io/required-groups: "x;y"',
      'status: {phase: Scheduling}\n',
    );
    expect(parseManifest(text, 'f', true).objects).toEqual([
      {
        kind: 'LogicalCluster',
        name: 'cluster',
        cluster: 'c1',
        path: 'root:a',
        requiredGroups: 'x;y',
        isReady: false,
        origin: 'f:1',
      },
    ]);
    const isReady = (annotations: string, more?: string): unknown => {
      const [object] = parseManifest(
        logicalCluster(`kcp.io/cluster: c1${annotations}`, more),
        'f',
        true,
      ).objects;
      return object?.kind === 'LogicalCluster' && object.isReady;
    };
    expect(isReady('')).toBe(true);
    expect(isReady(', core.kcp.io/inactive: "true"')).toBe(false);
    expect(isReady('', 'status: {phase: Inactive}\n')).toBe(false);
    // To root's own policy it means nothing, whatever stands in it.
    expect(parseManifest(text.replace('c1', 'A'), 'f')).toEqual({ objects: [], warnings: [] });
  });

  it.each([
    [logicalCluster(''), 'f:3: metadata needs the annotation kcp.io/cluster'],
    [logicalCluster('kcp.io/cluster: ""'), 'f:3: metadata needs the annotation kcp.io/cluster'],
    [logicalCluster('kcp.io/cluster: "root:a"'), 'f:5: .*kcp.io/cluster.* is no name of a logical cluster'],
    [logicalCluster('kcp.io/cluster: A'), 'f:5: .* is no name of a logical cluster'],
    [logicalCluster('kcp.io/cluster: a, kcp.io/path: ":"'), 'f:5: .* is no path of a workspace'],
    [logicalCluster('kcp.io/cluster: a, kcp.io/path: root'), 'f:5: .* is no path of a workspace'],
    [logicalCluster('kcp.io/cluster: a, kcp.io/path: "system:admin"'), 'f:5: .* is no path of a workspace'],
    [
      logicalCluster(`kcp.io/cluster: a, kcp.io/path: "root${':a'.repeat(511)}"`),
      'f:5: .* is no path of a workspace',
    ],
    [
      logicalCluster(`kcp.io/cluster: a, authorization.kcp.io/required-groups: "${'a;'.repeat(256)}"`),
      'f:5: .*required-groups.* names more groups than are followed',
    ],
    [logicalCluster('kcp.io/cluster: a').replace('name: cluster', 'name: other'), 'f:4: .*must be cluster'],
    [logicalCluster('kcp.io/cluster: a').replace('alpha1', 'beta1'), 'f:1: apiVersion must be core.kcp.io'],
    [
      `${logicalCluster('kcp.io/cluster: a')}---\n${logicalCluster('kcp.io/cluster: a')}`,
      'f:7: LogicalCluster "cluster" of a is already defined at f:1',
    ],
    [
      'apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: x\n',
      'f:3: metadata needs the annotation kcp.io/cluster',
    ],
  ])('%j is refused', (text, message) => {
    expect(() => parseManifest(text, 'f', true)).toThrow(new RegExp(`^${message}`));
  });
});
