import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { getMetrics, sentBinding, sentRole } from '../replication/root-objects.js';
import { atEnd } from '../support/ending.js';
import { RootServer } from '../support/root-server.js';
import { RawClient, requestOnce } from '../support/raw-tls.js';
import { startProcess, type StartedProcess } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const soon = { timeout: 15_000, interval: 20 };
const admin = { authorization: 'Bearer token-of-admin' };
const scraper = { authorization: 'Bearer token-of-scraper' };

const directory = temporaryDirectory();
const tokens = directory.write(
  'tokens.csv',
  'token-of-admin,admin,1,system:masters\ntoken-of-scraper,prometheus,2\n',
);

async function started(...flags: readonly string[]): Promise<StartedProcess> {
  return startProcess([
    '--mode=shard',
    '--workers=2',
    `--token-auth-file=${tokens}`,
    '--max-scrapes-in-flight=0',
    ...flags,
  ]);
}

/** Clients whose connections are with different workers: they get connections in turn. */
async function clientsOfBoth({ port }: StartedProcess): Promise<readonly [RawClient, RawClient]> {
  const clients = [new RawClient({ port }), new RawClient({ port })] as const;
  for (const client of clients) await client.request('/livez');
  return clients;
}

function workersOf({ pid }: Pick<StartedProcess, 'pid'>): readonly number[] {
  try {
    const pids = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
    return pids.trim().split(/\s+/).map(Number).filter(isRunning);
  } catch {
    return [];
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** How many requests were authenticated, in all workers together. */
async function attempts(client: RawClient): Promise<number> {
  const { status, body } = await client.request('/metrics', { headers: admin });
  if (status !== 200) throw new Error(`the metrics are ${status}`);
  return Number(/^authentication_attempts\{result="success"\} (\d+)$/m.exec(body)?.[1]);
}

// Three processes have to start for each, which takes its time where others start, too.
describe('start --workers', { timeout: 60_000 }, () => {
  it('counts in all workers what root grants and revokes, with one watch of each kind', async () => {
    const root = await RootServer.start();
    const reads: string[] = [];
    root.script.onRead = (resource, verb) => {
      reads.push(`${verb} ${resource}`);
      return undefined;
    };
    root.put('clusterroles', sentRole('reader', [getMetrics]));
    const server = await started(`--root-kubeconfig=${root.kubeconfig}`);
    const clients = await clientsOfBoth(server);
    const statuses = (): Promise<readonly number[]> =>
      Promise.all(
        clients.map(async (client) => (await client.request('/metrics', { headers: scraper })).status),
      );
    await expect
      .poll(() => Promise.all(clients.map(async (client) => (await client.request('/readyz')).status)), soon)
      .toEqual([200, 200]);
    expect(await statuses()).toEqual([403, 403]);
    root.put('clusterrolebindings', sentBinding('scrapers', 'reader'));
    await expect.poll(statuses, soon).toEqual([200, 200]);
    root.delete('clusterrolebindings', 'scrapers');
    await expect.poll(statuses, soon).toEqual([403, 403]);
    for (const resource of ['clusterroles', 'clusterrolebindings']) {
      expect(
        reads.filter((read) => read === `watch ${resource}` || read === `watch-list ${resource}`),
      ).toHaveLength(1);
    }
  });

  it('serves one workspace to whom it grants that now, by a directory, in all workers', async () => {
    const about = { annotations: { 'kcp.io/cluster': 'other' } };
    const apiVersion = 'rbac.authorization.k8s.io/v1';
    const granted = (...roles: readonly string[]): string =>
      [
        {
          apiVersion: 'core.kcp.io/v1alpha1',
          kind: 'LogicalCluster',
          metadata: { name: 'cluster', annotations: { ...about.annotations, 'kcp.io/path': 'root:org' } },
          status: { phase: 'Ready' },
        },
        ...roles.map((role) => ({
          apiVersion,
          kind: 'ClusterRoleBinding',
          metadata: { name: role.replaceAll(':', '-'), ...about },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
          subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'prometheus' }],
        })),
      ]
        .map((object) => JSON.stringify(object))
        .join('\n---\n');
    const manifests = temporaryDirectory();
    manifests.write('org.yaml', granted());
    const server = await started(
      ...['--workspace-metrics', `--workspace-rbac-dir=${manifests.path}`],
      ...['--workspace-label=username', '--workspace-metrics-max-age=1ms'],
    );
    const clients = await clientsOfBoth(server);
    const statuses = async (path: string): Promise<readonly number[]> => {
      const answers = clients.map((client) => client.request(path, { headers: scraper }));
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    const paths = ['/clusters/other/metrics', '/clusters/root:org/metrics'];
    for (const path of paths) expect(await statuses(path)).toEqual([403, 403]);
    manifests.write('org.yaml', granted('system:kcp:metrics-reader', 'system:kcp:workspace:access'));
    for (const path of paths) await expect.poll(() => statuses(path), soon).toEqual([200, 200]);
    // Users that are not counted by name are counted as `other`, here by both workers.
    const { body } = await clients[0].request(paths[0] ?? '', { headers: scraper });
    expect(body.trimEnd().split('\n').slice(2)).toEqual([
      expect.stringMatching(/^authenticated_user_requests\{username="other"\} ([5-9]|\d\d+)$/),
    ]);
    const { body: all } = await clients[0].request('/metrics', { headers: admin });
    expect(all).toContain('\nauthenticated_user_requests{username="admin"} ');
    expect(all).toMatch(/^kcp_metrics_filter_workspace_renderings_total\{result="success"\} \d+$/m);
    expect(await statuses('/clusters/admin/metrics')).toEqual([403, 403]);
    manifests.write('org.yaml', granted());
    for (const path of paths) await expect.poll(() => statuses(path), soon).toEqual([403, 403]);
  });

  it('shows the sum over all workers, whichever is asked, and goes on from there when one is killed', async () => {
    const server = await started();
    const [first, second] = await clientsOfBoth(server);
    for (const client of [first, second, second]) {
      await client.request('/metrics', { headers: admin });
    }
    const counted = await attempts(first);
    expect(await attempts(second)).toBe(counted + 1);
    const before = workersOf(server);
    expect(before).toHaveLength(2);
    const [victim = 0] = before;
    process.kill(victim, 'SIGKILL');
    // The connections of the other worker are none of its business: one of these clients has one.
    const answers = await Promise.allSettled([first, second].map((client) => client.request('/livez')));
    const survivors = [first, second].filter((_, index) => answers[index]?.status === 'fulfilled');
    expect(survivors.length).toBeGreaterThanOrEqual(1);
    await expect.poll(() => workersOf(server).filter((pid) => !before.includes(pid)), soon).toHaveLength(1);
    const [survivor = first] = survivors;
    const now = await attempts(survivor);
    expect(now).toBeGreaterThanOrEqual(counted + 1);
    await expect
      .poll(async () => (await survivor.request('/metrics', { headers: admin })).body, soon)
      .toContain('\nkcp_metrics_filter_worker_restarts_total 1\n');
    expect(server.log()).toContain('a worker ended, by SIGKILL; it is replaced');
  });

  it('goes by the configuration file as it was at the start, also in a worker that starts later', async () => {
    const head = 'apiVersion: kcp-metrics-filter/v1alpha1\nkind: MetricsFilterConfiguration\nmode: shard\n';
    const file = directory.write(
      'config.yaml',
      `${head}workers: 2\ntokenAuthFile: ${tokens}\nlogLevel: debug\n`,
    );
    const server = await startProcess([`--config=${file}`]);
    const listening = (): number => server.log().match(/"msg":"listening"/g)?.length ?? 0;
    await expect.poll(listening, soon).toBe(3);
    directory.write('config.yaml', `${head}ignorePaths: [/metrics]\n`);
    const [victim = 0] = workersOf(server);
    process.kill(victim, 'SIGKILL');
    await expect.poll(listening, soon).toBe(4);
    for (const client of await clientsOfBoth(server)) {
      expect((await client.request('/metrics')).status).toBe(403);
      expect((await client.request('/metrics', { headers: admin })).status).toBe(200);
    }
  });

  it('has one bound of renderings for all workers', async () => {
    const server = await started('--max-scrapes-in-flight=3');
    const [first, second] = await clientsOfBoth(server);
    // A worker may hold a place for its next rendering, which is no rendering.
    for (const client of [first, second, first, second]) {
      const { body } = await client.request('/metrics', { headers: admin });
      expect(body).toContain('\nkcp_metrics_filter_renderings_in_flight 1\n');
    }
  });

  it('closes connections beyond the bound of all workers, rather than pass them round', async () => {
    // Without a handshake, the others would be closed as well on a machine that is busy for long.
    const server = await started('--max-connections=2', '--tls-handshake-timeout=1h', '--header-timeout=1h');
    const sockets: Socket[] = [];
    atEnd(() => {
      for (const socket of sockets) socket.destroy();
    });
    while (sockets.length < 10) {
      const socket = connect(server.port, '127.0.0.1').on('error', () => undefined);
      sockets.push(socket.resume());
      await once(socket, 'connect');
    }
    await expect.poll(() => sockets.filter(({ destroyed }) => destroyed).length, soon).toBe(6);
  });

  it('closes the connections that workers were being handed when they were killed', async () => {
    const server = await started('--tls-handshake-timeout=1s');
    const workers = workersOf(server);
    for (const worker of workers) process.kill(worker, 'SIGSTOP');
    const sockets = workers.map(() => connect(server.port, '127.0.0.1').on('error', () => undefined));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    for (const worker of workers) process.kill(worker, 'SIGKILL');
    await expect.poll(() => sockets.filter((socket) => socket.resume().destroyed).length, soon).toBe(2);
  });

  it('leaves nobody behind where the process that started the workers is killed', async () => {
    const server = await started();
    const workers = workersOf(server);
    expect(workers).toHaveLength(2);
    process.kill(server.pid, 'SIGKILL');
    await expect.poll(() => workers.filter(isRunning), soon).toEqual([]);
  });

  describe('once for these tests, of which the last ends it', () => {
    let server: StartedProcess;
    beforeAll(async () => {
      server = await started();
    });

    it('serves one certificate of its own making', async () => {
      const fingerprints = (await clientsOfBoth(server)).map(
        ({ connection }) => connection?.getPeerCertificate().fingerprint256,
      );
      expect(fingerprints[0]).toBeDefined();
      expect(fingerprints[1]).toBe(fingerprints[0]);
    });

    it('refuses no scrape on a new connection while a worker is replaced', async () => {
      const before = workersOf(server);
      const [victim = 0] = before;
      process.kill(victim, 'SIGKILL');
      await expect.poll(() => workersOf(server).includes(victim), soon).toBe(false);
      const statuses: number[] = [];
      while (workersOf(server).length < 2 || statuses.length < 20) {
        const answer = await requestOnce({ port: server.port }, '/metrics', { headers: admin });
        statuses.push(answer.status);
      }
      expect(new Set(statuses)).toEqual(new Set([200]));
    });

    it('ends with 0 where it is asked to, and leaves nobody behind', async () => {
      const workers = workersOf(server);
      expect(workers).toHaveLength(2);
      expect(await server.stop()).toBe(0);
      expect(workers.filter(isRunning)).toEqual([]);
    });
  });
});
