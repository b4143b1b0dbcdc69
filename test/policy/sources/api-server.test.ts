import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import {
  cachePolicySource,
  rootPolicySource,
  systemAdminPolicySource,
} from '../../../src/policy/sources/api-server.js';
import { openPolicy, type OpenPolicy, type OpenPolicyOptions } from '../../../src/policy/open-policy.js';
import { getMetrics, sentBinding, sentRole } from '../../replication/root-objects.js';
import { closedAtEnd } from '../../support/ending.js';
import { RootServer, type Resource } from '../../support/root-server.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { KubeconfigError } from '../../../src/kubernetes/kubernetes-errors.js';

let server: RootServer;
beforeEach(async () => {
  server = await RootServer.start();
  server.put('clusterroles', sentRole('reader', [getMetrics]));
  server.put('clusterrolebindings', sentBinding('scrapers', 'reader'));
});

async function open(options: OpenPolicyOptions): Promise<OpenPolicy> {
  return closedAtEnd(await openPolicy({ bootstrap: false, ...options }));
}

/** The policy of that server, or of another kubeconfig. */
const openRoot = (observer: RootObserver = {}, kubeconfig = server.kubeconfig): Promise<OpenPolicy> =>
  open({ sources: [rootPolicySource({ kubeconfig, observer })] });

/** By which binding, or why nobody knows. */
function grantOf({ policy }: OpenPolicy, user = 'prometheus'): string | undefined {
  return policy.unavailable() ?? policy.find([{ name: user, groups: [] }], 'get', '/metrics')?.binding.name;
}

type RootObserver = NonNullable<Parameters<typeof rootPolicySource>[0]['observer']>;

const waitFor = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 10 });
const refuse = (...resources: Resource[]): void => {
  server.script = { onRead: (resource) => (resources.includes(resource) ? { status: 403 } : undefined) };
};

/** Waits until whatever grants reading the metrics is this binding, or none. */
const grants = (followed: OpenPolicy, binding: string | undefined): Promise<void> =>
  waitFor(() => {
    expect(grantOf(followed)).toBe(binding);
  });

describe('the policy of an API server', () => {
  it('decides once both kinds are listed, and follows every change', async () => {
    const followed = await openRoot();
    expect(await followed.settled(10_000)).toEqual([]);
    expect(grantOf(followed)).toBe('scrapers');
    server.delete('clusterrolebindings', 'scrapers');
    await grants(followed, undefined);
    server.put('clusterrolebindings', sentBinding('again', 'reader'));
    await grants(followed, 'again');
    server.put('clusterroles', sentRole('reader', [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }]));
    await grants(followed, undefined);
  });

  it.each(['clusterroles', 'clusterrolebindings'] as const)(
    'is not loaded while %s cannot be read, and says why',
    async (resource) => {
      refuse(resource);
      const followed = await openRoot();
      await waitFor(() => {
        expect(followed.policy.status()).toMatchObject([
          { state: 'syncing', reason: expect.stringMatching(`${resource}: 403`) as string },
        ]);
      });
      // Nor is there half of it: roles without bindings, or the other way round.
      expect(followed.policy.objects('root')).toEqual([]);
      expect(grantOf(followed)).toBe('policy layer "root" is not loaded yet');
      server.script = {};
      expect(await followed.settled(20_000)).toEqual([]);
      expect(grantOf(followed)).toBe('scrapers');
    },
  );

  it('stays in force while the server is away, stale, and is in step again after it', async () => {
    const told: string[] = [];
    const followed = await openRoot({ lost: () => told.push('lost'), synced: () => told.push('synced') });
    await followed.settled(10_000);
    refuse('clusterroles', 'clusterrolebindings');
    server.hangUp();
    await waitFor(() => {
      expect(followed.policy.status()).toMatchObject([{ state: 'stale' }]);
    });
    expect(grantOf(followed)).toBe('scrapers');
    server.delete('clusterrolebindings', 'scrapers');
    server.script = {};
    await waitFor(() => {
      expect(followed.policy.status()).toMatchObject([{ state: 'synced', ageMs: 0 }]);
    });
    expect(grantOf(followed)).toBeUndefined();
    expect(told[0]).toBe('synced');
    expect(told.at(-1)).toBe('synced');
    expect(told.filter((word) => word === 'synced')).toHaveLength(2);
    expect(told).toContain('lost');
  });

  it('believes a server that lists nothing any more, and warns', async () => {
    const warnings: string[] = [];
    const followed = await openRoot({ warning: (message) => warnings.push(message) });
    await followed.settled(10_000);
    // As a watch of a forgotten resourceVersion is answered: everything is listed anew.
    let isExpired = true;
    server.script = {
      onRead: (resource) => {
        if (resource !== 'clusterrolebindings' || !isExpired) return undefined;
        isExpired = false;
        server.delete('clusterrolebindings', 'scrapers');
        return { status: 410 };
      },
    };
    server.hangUp();
    await grants(followed, undefined);
    expect(warnings).toEqual([
      expect.stringMatching(/lists no ClusterRoleBinding, where it listed 1 before: .* is revoked$/),
    ]);
  });

  it('is told of by its observer: requests, lists, watches and applied changes', async () => {
    const told: string[] = [];
    const followed = await openRoot({
      request: ({ method, code }) => told.push(`${method} ${code}`),
      listed: (kind, method, result) => told.push(`${kind} ${method} ${result}`),
      applied: (kind, seconds) => told.push(`${kind} applied: ${String(seconds >= 0)}`),
    });
    await followed.settled(10_000);
    server.delete('clusterrolebindings', 'scrapers');
    await waitFor(() => {
      expect(told).toContain('ClusterRoleBinding applied: true');
    });
    expect(told).toContain('GET 200');
    expect(told).toContain('ClusterRole watch-list success');
    expect(told).toContain('ClusterRoleBinding watch-list success');
  });

  it('is asked for as it is, and followed all the same where a proxy compresses it, event by event', async () => {
    server.compresses = true;
    const followed = await openRoot();
    expect(await followed.settled(10_000)).toEqual([]);
    expect(grantOf(followed)).toBe('scrapers');
    server.delete('clusterrolebindings', 'scrapers');
    await grants(followed, undefined);
    expect(followed.policy.status()).toMatchObject([{ state: 'synced' }]);
    expect(server.asked).toEqual(new Set(['watch-list']));
    expect([...server.askedCodings]).toEqual(['identity']);
  });

  it('is not started with a kubeconfig that cannot be used', async () => {
    const directory = temporaryDirectory();
    const kubeconfig = directory.write('kubeconfig', 'clusters: []');
    await expect(openPolicy({ sources: [rootPolicySource({ kubeconfig })] })).rejects.toThrow(
      KubeconfigError,
    );
  });

  it('is started once, and closed as often as one likes', async () => {
    const source = rootPolicySource({ kubeconfig: server.kubeconfig });
    const followed = await open({ sources: [source] });
    await followed.settled(10_000);
    await expect(source.start(followed.policy.sink('root'))).rejects.toThrow('started once');
    await source.close();
    await source.close();
  });
});

describe('where it is read', () => {
  it.each([
    ['', '/services/cache/shards/root/clusters/root'],
    ['/services/cache', '/services/cache/shards/root/clusters/root'],
    ['/services/cache/shards/other/clusters/root', '/services/cache/shards/other/clusters/root'],
  ])('from a cache server at %j: below %s', async (serverPath, base) => {
    const cache = await RootServer.start(serverPath);
    cache.base = base;
    cache.put('clusterroles', sentRole('reader', [getMetrics]));
    cache.put('clusterrolebindings', sentBinding('replicated', 'reader'));
    const followed = await open({ sources: [cachePolicySource({ kubeconfig: cache.kubeconfig })] });
    expect(await followed.settled(10_000)).toEqual([]);
    expect(grantOf(followed)).toBe('replicated');
    await cache.stop();
  });

  it('from the bootstrap workspace beside root, and until then from what is built in', async () => {
    server.base = '/clusters/system:admin';
    refuse('clusterrolebindings');
    server.delete('clusterrolebindings', 'scrapers');
    server.put('clusterrolebindings', sentBinding('of-the-server', 'reader'));
    const followed = await open({
      sources: [],
      bootstrap: systemAdminPolicySource({ kubeconfig: server.kubeconfig }),
    });
    const grantsMonitoring = (): boolean =>
      followed.policy.find([{ name: 'x', groups: ['system:monitoring'] }], 'get', '/metrics') !== undefined;
    expect(followed.policy.status()).toMatchObject([{ layer: 'bootstrap', state: 'synced' }]);
    expect(grantsMonitoring()).toBe(true);
    expect(grantOf(followed)).toBeUndefined();
    server.script = {};
    await grants(followed, 'of-the-server');
    expect(grantsMonitoring()).toBe(false);
  });
});

describe('root with the cache server behind it', () => {
  it('decides by the cache server until root is there, and by root alone from then on', async () => {
    const cache = await RootServer.start('');
    cache.base = '/services/cache/shards/root/clusters/root';
    cache.put('clusterroles', sentRole('reader', [getMetrics]));
    cache.put('clusterrolebindings', sentBinding('replicated', 'reader', { subjects: ['ann'] }));
    refuse('clusterroles');
    const followed = await open({
      sources: [
        rootPolicySource({ kubeconfig: server.kubeconfig }),
        cachePolicySource({ kubeconfig: cache.kubeconfig }),
      ],
      fallbacks: new Map([['root', 'cache']]),
    });
    await waitFor(() => {
      expect(grantOf(followed, 'ann')).toBe('replicated');
    });
    server.script = {};
    await waitFor(() => {
      expect(grantOf(followed, 'prometheus')).toBe('scrapers');
    });
    expect(grantOf(followed, 'ann')).toBeUndefined();
    await cache.stop();
  });
});

describe('a server of other workspaces than root, whose owners would decide', () => {
  const all = [
    '/clusters/*',
    '/clusters/%2A',
    '/services/cache/shards/*/clusters/root',
    '/services/cache/shards/root/clusters/*',
    '/shards/root/clusters/*',
  ];
  const another = ['/clusters/root:org', '/clusters/system:shard', '/shards/root/clusters/2gjywtm6kg669kl2'];

  it.each([
    ...all.map((path) => [path, 'is all logical clusters'] as const),
    ...another.map((path) => [path, 'is another workspace'] as const),
    ['/services/cache/shards/root/clusters/org', 'is another workspace'] as const,
  ])('is no source of the policy: %s', async (serverPath, fault) => {
    const several = await RootServer.start(serverPath);
    const source = rootPolicySource({ kubeconfig: several.kubeconfig });
    const opening = openPolicy({ sources: [source] });
    await expect(opening).rejects.toThrow(KubeconfigError);
    await expect(opening).rejects.toThrow(`: its server ${fault} (${serverPath})`);
    if (serverPath.startsWith('/services/cache')) {
      const cache = cachePolicySource({ kubeconfig: several.kubeconfig });
      await expect(openPolicy({ sources: [cache] })).rejects.toThrow(`: its server ${fault} (`);
    }
    expect(several.asked.size).toBe(0);
    await several.stop();
  });

  it.each(['/k8s/clusters/c-m-abcdefgh', '/clusters/root', '/clusters/system:admin'])(
    'is not meant by %s',
    async (serverPath) => {
      const one = await RootServer.start(serverPath);
      one.base = serverPath;
      one.put('clusterroles', sentRole('reader', [getMetrics]));
      one.put('clusterrolebindings', sentBinding('scrapers', 'reader'));
      const followed = await openRoot({}, one.kubeconfig);
      expect(await followed.settled(10_000)).toEqual([]);
      expect(grantOf(followed)).toBe('scrapers');
      await one.stop();
    },
  );

  it.each(['/clusters/*', '/clusters/root:org'])(
    'is not followed where the kubeconfig comes to name it, as kubectl makes it: %s',
    async (serverPath) => {
      const directory = temporaryDirectory();
      const kubeconfig = directory.write('kubeconfig', readFileSync(server.kubeconfig, 'utf8'));
      const warnings: string[] = [];
      const followed = await openRoot({ warning: (message) => warnings.push(message) }, kubeconfig);
      await followed.settled(10_000);
      const other = await RootServer.start(serverPath);
      directory.write('kubeconfig', readFileSync(other.kubeconfig, 'utf8'));
      server.hangUp();
      await waitFor(() => {
        expect(warnings).toEqual([
          expect.stringMatching(/: its server is .* \(\/clusters\/.*; the version before stays in use$/),
        ]);
      });
      // The server of before is followed on.
      server.delete('clusterrolebindings', 'scrapers');
      await grants(followed, undefined);
      expect(other.asked.size).toBe(0);
      await other.stop();
    },
  );
});

describe('a snapshot of it', () => {
  it('serves while the server is away, and not for another server', async () => {
    const directory = temporaryDirectory();
    const snapshotFile = `${directory.path}/policy`;
    const source = (): OpenPolicyOptions => ({
      sources: [rootPolicySource({ kubeconfig: server.kubeconfig })],
      snapshotFile,
    });
    const first = await open(source());
    await first.settled(10_000);
    await first.close();
    refuse('clusterroles', 'clusterrolebindings');
    const second = await open(source());
    expect(grantOf(second)).toBe('scrapers');
    expect(second.policy.status()).toMatchObject([{ state: 'stale' }]);
    await second.close();
    const stranger = await RootServer.start();
    stranger.script = server.script;
    const refused: string[] = [];
    const third = await open({
      sources: [rootPolicySource({ kubeconfig: stranger.kubeconfig })],
      snapshotFile,
      onSnapshot: ({ result }) => refused.push(result),
    });
    expect(refused).toEqual(['refused']);
    expect(grantOf(third)).toBe('policy layer "root" is not loaded yet');
    await third.close();
    await stranger.stop();
  });
});

describe('a kubeconfig that comes to name another server', () => {
  it('is followed there once both kinds are listed there, and until then the old policy decides', async () => {
    const directory = temporaryDirectory();
    const kubeconfig = directory.write('kubeconfig', readFileSync(server.kubeconfig, 'utf8'));
    const followed = await openRoot({}, kubeconfig);
    await followed.settled(10_000);
    expect(grantOf(followed)).toBe('scrapers');
    const other = await RootServer.start();
    // Of the same names, and of uids that are the same, too, as on two of kcp's cache servers.
    other.put('clusterroles', sentRole('reader', [getMetrics]));
    other.put('clusterrolebindings', sentBinding('scrapers', 'reader', { subjects: ['ann'] }));
    other.script = { onRead: (resource) => (resource === 'clusterroles' ? { status: 403 } : undefined) };
    directory.write('kubeconfig', readFileSync(other.kubeconfig, 'utf8'));
    server.hangUp();
    await waitFor(() => {
      expect(followed.policy.status()).toMatchObject([
        { state: 'stale', reason: expect.stringContaining('403') as string },
      ]);
    });
    expect(grantOf(followed)).toBe('scrapers');
    expect(grantOf(followed, 'ann')).toBeUndefined();
    other.script = {};
    await waitFor(() => {
      expect(grantOf(followed, 'ann')).toBe('scrapers');
    });
    expect(grantOf(followed)).toBeUndefined();
    await other.stop();
  });
});
