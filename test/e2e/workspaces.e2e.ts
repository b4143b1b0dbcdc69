import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RawClient, type RawAnswer } from '../support/raw-tls.js';
import { ApiClient } from './api-client.js';
import { isSkipped, kcpBinary } from './binaries.js';
import { startControlPlane, type ControlPlane } from './control-plane.js';
import { inWords, printFigure } from './figures.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kcpRootShard } from './kcp-control-plane.js';
import { elapsed, own, Stopwatch, type Duration } from './stopwatch.js';

const rbac = 'apis/rbac.authorization.k8s.io/v1';
const readsMetrics = [
  { verbs: ['access'], nonResourceURLs: ['/'] },
  { verbs: ['get'], nonResourceURLs: ['/metrics'] },
];

/** kcp's own answers to what a filter that follows the same workspaces answers. Workspaces: root:wa, root:wa:ina, root:wb. */
describe.skipIf(isSkipped || kcpBinary === undefined)('metrics of one workspace: kcp root shard', () => {
  let shard: ControlPlane;
  let filter: FilterUnderTest;
  let masters: ApiClient;
  /** Logical clusters by the workspaces' paths. */
  const clusters = new Map<string, string>();
  const clients: RawClient[] = [];
  const started: { stop(): Promise<unknown> }[] = [];

  const clientOf = async (user: string, groups: readonly string[]): Promise<ApiClient> => {
    const certificate = await shard.issueClient(user, groups);
    return new ApiClient(new URL(shard.url).origin, () => ({
      authorities: [readFileSync(shard.certificateAuthority, 'utf8')],
      certificate,
    }));
  };
  const created = async (client: ApiClient, path: string, object: object): Promise<void> => {
    const { status, body } = await client.request('POST', path, object);
    if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(body)}`);
  };
  /** Made by a user of system:kcp:admin: what system:masters makes has no owner, and is never initialized. */
  const createWorkspace = async (admin: ApiClient, parent: string, name: string): Promise<void> => {
    const path = `/clusters/${parent}/apis/tenancy.kcp.io/v1alpha1/workspaces`;
    await created(admin, path, {
      apiVersion: 'tenancy.kcp.io/v1alpha1',
      kind: 'Workspace',
      metadata: { name },
    });
    const cluster = await vi.waitFor(
      async () => {
        const { body } = await admin.request('GET', `${path}/${name}`);
        const { spec, status } = body as { spec: { cluster: string }; status?: { phase?: string } };
        expect(status?.phase).toBe('Ready');
        return spec.cluster;
      },
      { timeout: 60_000, interval: 200 },
    );
    clusters.set(`${parent}:${name}`, cluster);
  };
  const bind = async (workspace: string, name: string, subject: object): Promise<void> => {
    await created(masters, `/clusters/${workspace}/${rbac}/clusterrolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reads-metrics' },
      subjects: [subject],
    });
  };
  const user = (name: string): object => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name });
  const scrapes = async (name: string, groups: readonly string[] = []) => {
    const client = new RawClient(await filter.connectionOf(name, groups));
    clients.push(client);
    return (workspace: string): Promise<RawAnswer> => client.request(`/clusters/${workspace}/metrics`);
  };
  const eventually = async (scrape: () => Promise<RawAnswer>, status: number): Promise<void> => {
    await expect.poll(async () => (await scrape()).status, { timeout: 60_000, interval: 20 }).toBe(status);
  };

  beforeAll(async () => {
    const program = kcpRootShard(kcpBinary ?? '');
    shard = await startControlPlane({
      program: {
        ...program,
        args: (place) => [...program.args(place), '--logical-cluster-object-count-scan-interval=1s'],
      },
    });
    started.push(shard);
    masters = await clientOf('masters', ['system:masters']);
    const admin = await clientOf('kcp-admin', ['system:kcp:admin']);
    await createWorkspace(admin, 'root', 'wa');
    await createWorkspace(admin, 'root:wa', 'ina');
    await createWorkspace(admin, 'root', 'wb');
    for (const [workspace, owner] of [
      ['root:wa', 'alice'],
      ['root:wa:ina', 'bob'],
    ] as const) {
      await created(masters, `/clusters/${workspace}/${rbac}/clusterroles`, {
        metadata: { name: 'reads-metrics' },
        rules: readsMetrics,
      });
      await bind(workspace, 'owner', user(owner));
    }
    const certificate = await shard.issueClient('workspaces', ['system:masters']);
    const kubeconfig = shard.kubeconfigFor({
      user: { certificate },
      file: join(shard.directory, 'workspaces.kubeconfig'),
      basePath: '',
    });
    const pair = {
      cert: join(shard.directory, 'upstream.crt'),
      key: join(shard.directory, 'upstream.key'),
    };
    writeFileSync(pair.cert, certificate.certificatePem);
    writeFileSync(pair.key, certificate.privateKeyPem);
    filter = await FilterUnderTest.start(
      shard.kubeconfigFor({
        user: { certificate },
        file: join(shard.directory, 'root.kubeconfig'),
      }),
      [
        '--workspace-metrics',
        `--workspace-kubeconfig=${kubeconfig}`,
        '--workspace-metrics-max-age=1s',
        `--upstream=${new URL(shard.url).origin}/metrics`,
        `--upstream-ca-file=${shard.certificateAuthority}`,
        `--upstream-client-cert-file=${pair.cert}`,
        `--upstream-client-key-file=${pair.key}`,
        `--service-account-key-file=${join(shard.directory, 'kcp', 'sa.key')}`,
        '--service-account-issuer=https://kcp.default.svc',
      ],
    );
    started.unshift(filter);
    await filter.inStep();
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    for (const one of started) await one.stop();
  });

  it('are for those to whom the workspace grants them, by name and by path', async () => {
    const alice = await scrapes('alice');
    const bob = await scrapes('bob');
    await eventually(() => alice('root:wa'), 200);
    await eventually(() => bob('root:wa:ina'), 200);
    expect((await alice(clusters.get('root:wa') ?? '')).status).toBe(200);
    const refusals = [
      await alice('root:wa:ina'),
      await alice('root:wb'),
      await alice('root:nowhere'),
      await alice('system:admin'),
    ];
    for (const { status, body } of refusals) {
      expect(status).toBe(403);
      expect(JSON.parse(body)).toMatchObject({
        message: 'forbidden: User "alice" cannot get path "/metrics": access denied',
      });
    }
    expect((await bob('root:wa')).status).toBe(403);
  });

  it('are for a service account of the workspace, and not for that of another', async () => {
    const token = async (workspace: string): Promise<string> => {
      const accounts = `/clusters/${workspace}/api/v1/namespaces/default/serviceaccounts`;
      await created(masters, accounts, { metadata: { name: 'scraper' } });
      const { body } = await masters.request('POST', `${accounts}/scraper/token`, {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {},
      });
      return (body as { status: { token: string } }).status.token;
    };
    await bind('root:wa', 'scraper', { kind: 'ServiceAccount', namespace: 'default', name: 'scraper' });
    const own = await token('root:wa');
    const other = await token('root:wb');
    const status = (bearer: string, workspace: string): Promise<number> =>
      filter.statusForToken(bearer, `/clusters/${workspace}/metrics`);
    await expect.poll(() => status(own, 'root:wa'), { timeout: 60_000 }).toBe(200);
    expect(await status(own, 'root:wb')).toBe(403);
    expect(await status(other, 'root:wa')).toBe(403);
  });

  it('follow a grant, a revocation and the groups that the workspace requires', async () => {
    const carol = await scrapes('carol');
    expect((await carol('root:wa')).status).toBe(403);
    await bind('root:wa', 'carol', user('carol'));
    await eventually(() => carol('root:wa'), 200);
    const require = async (groups: string | null): Promise<void> => {
      const { status } = await masters.request(
        'PATCH',
        '/clusters/root:wa/apis/core.kcp.io/v1alpha1/logicalclusters/cluster',
        { metadata: { annotations: { 'authorization.kcp.io/required-groups': groups } } },
      );
      expect(status).toBe(200);
    };
    await require('staff,oncall;owners');
    await eventually(() => carol('root:wa'), 403);
    const onCall = await scrapes('carol', ['staff', 'oncall']);
    expect((await onCall('root:wa')).status).toBe(200);
    await require(null);
    await eventually(() => carol('root:wa'), 200);
    await masters.request('DELETE', `/clusters/root:wa/${rbac}/clusterrolebindings/carol`);
    await eventually(() => carol('root:wa'), 403);
  });

  it('follow a change within a moment of its acknowledgement', async () => {
    const dave = await scrapes('dave');
    const delays: Duration[] = [];
    const after = async (change: Promise<unknown>, status: number): Promise<void> => {
      await change;
      const stopwatch = new Stopwatch();
      while ((await dave('root:wa')).status !== status) {
        expect(stopwatch.read().ownMs).toBeLessThan(10_000);
      }
      delays.push(stopwatch.read());
    };
    for (let round = 0; round < 30; round += 1) {
      await after(bind('root:wa', 'dave', user('dave')), 200);
      await after(masters.request('DELETE', `/clusters/root:wa/${rbac}/clusterrolebindings/dave`), 403);
    }
    printFigure(
      `a grant or a revocation in a workspace, to the first scrape that meets it: ${inWords(elapsed(delays))}`,
    );
    expect(own(delays).p99).toBeLessThan(1_000);
  });

  // Near the end: nothing can be created in a workspace that is over its limit.
  it('hold the series of that workspace, and of no other', async () => {
    const cluster = clusters.get('root:wa') ?? '';
    for (const path of ['root:wa', 'root:wa:ina']) {
      const { status } = await masters.request(
        'PATCH',
        `/clusters/${path}/apis/core.kcp.io/v1alpha1/logicalclusters/cluster`,
        { metadata: { annotations: { 'core.kcp.io/max-total-objects': '1' } } },
      );
      expect(status).toBe(200);
    }
    const alice = await scrapes('alice');
    await vi.waitFor(
      async () => {
        expect((await alice('root:wa')).body).toContain(
          `kcp_logicalcluster_object_count{cluster="${cluster}"`,
        );
      },
      { timeout: 60_000, interval: 200 },
    );
    const { body } = await alice('root:wa');
    const series = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(series.filter((line) => !line.includes(`cluster="${cluster}"`))).toEqual([]);
    const all = (await masters.request('GET', '/metrics')).body as string;
    expect(all).toContain(`kcp_logicalcluster_object_count{cluster="${clusters.get('root:wa:ina') ?? ''}"`);
  });

  it('end with the workspace, while it is scraped', async () => {
    const bob = await scrapes('bob');
    expect((await bob('root:wa:ina')).status).toBe(200);
    const { status } = await masters.request(
      'DELETE',
      '/clusters/root:wa/apis/tenancy.kcp.io/v1alpha1/workspaces/ina',
    );
    expect(status).toBe(200);
    const answers = new Set<number>();
    await expect
      .poll(
        async () => {
          const answer = (await bob('root:wa:ina')).status;
          answers.add(answer);
          return answer;
        },
        { timeout: 60_000, interval: 20 },
      )
      .toBe(403);
    expect([...answers].every((answer) => answer === 200 || answer === 403)).toBe(true);
    expect((await bob(clusters.get('root:wa:ina') ?? '')).status).toBe(403);
  });
});
