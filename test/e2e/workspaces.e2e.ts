import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { remoteHeaders, type RecordedUser } from '../conformance/recorded.js';
import { keyPairOf, RawClient, type RawAnswer } from '../support/raw-tls.js';
import { isAllowed } from './access-review.js';
import { isSkipped, kcpBinary } from './binaries.js';
import { startControlPlane, type ControlPlane } from './control-plane.js';
import { inWords, printFigure } from './figures.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kcpRootShard } from './kcp-control-plane.js';
import { ShardWorkspaces, user } from './shard-workspaces.js';
import { elapsed, own, Stopwatch, type Duration } from './stopwatch.js';

type Extra = NonNullable<RecordedUser['extra']>;

/** kcp's own answers to what a filter that follows the same workspaces answers. Workspaces: root:wa, root:wa:ina, root:wb. */
describe.skipIf(isSkipped || kcpBinary === undefined)('metrics of one workspace: kcp root shard', () => {
  let shard: ControlPlane;
  let workspaces: ShardWorkspaces;
  let filter: FilterUnderTest;
  let proxy: IssuedCertificate;
  /** Logical clusters by the workspaces' paths. */
  const clusters = new Map<string, string>();
  const clients: RawClient[] = [];
  const started: { stop(): Promise<unknown> }[] = [];

  const scrapes = async (name: string, groups: readonly string[] = []) => {
    const client = new RawClient(await filter.connectionOf(name, groups));
    clients.push(client);
    return (workspace: string): Promise<RawAnswer> => client.request(`/clusters/${workspace}/metrics`);
  };
  const eventually = async (scrape: () => Promise<RawAnswer>, status: number): Promise<void> => {
    await expect.poll(async () => (await scrape()).status, { timeout: 60_000, interval: 20 }).toBe(status);
  };

  beforeAll(async () => {
    shard = await startControlPlane({ program: kcpRootShard(kcpBinary ?? '') });
    started.push(shard);
    workspaces = await ShardWorkspaces.of(shard);
    for (const [parent, name] of [
      ['root', 'wa'],
      ['root:wa', 'ina'],
      ['root', 'wb'],
    ] as const) {
      clusters.set(`${parent}:${name}`, await workspaces.create(parent, name));
    }
    await workspaces.grantReading('root:wa', 'alice');
    await workspaces.grantReading('root:wa:ina', 'bob');
    const root = { user: { certificate: await shard.issueClient('root', ['system:masters']) } };
    const authority = await createAuthority({ commonName: 'proxy-ca' });
    proxy = await authority.issue({ commonName: 'front-proxy', usage: 'clientAuth' });
    const proxyCa = join(shard.directory, 'proxy-ca.crt');
    writeFileSync(proxyCa, authority.certificatePem);
    filter = await FilterUnderTest.start(
      shard.kubeconfigFor({ ...root, file: join(shard.directory, 'root.kubeconfig') }),
      [
        ...(await workspaces.flags()),
        `--service-account-key-file=${join(shard.directory, 'kcp', 'sa.key')}`,
        '--service-account-issuer=https://kcp.default.svc',
        `--requestheader-client-ca-file=${proxyCa}`,
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
      await workspaces.post(accounts, { metadata: { name: 'scraper' } });
      const made = await workspaces.post(`${accounts}/scraper/token`, {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {},
      });
      return (made as { status: { token: string } }).status.token;
    };
    await workspaces.bind('root:wa', 'scraper', {
      kind: 'ServiceAccount',
      namespace: 'default',
      name: 'scraper',
    });
    const own = await token('root:wa');
    const other = await token('root:wb');
    const status = (bearer: string, workspace: string): Promise<number> =>
      filter.statusForToken(bearer, `/clusters/${workspace}/metrics`);
    await expect.poll(() => status(own, 'root:wa'), { timeout: 60_000 }).toBe(200);
    expect(await status(own, 'root:wb')).toBe(403);
    expect(await status(other, 'root:wa')).toBe(403);
  });

  it('are for whom kcp itself says so: scopes, warrants, and service accounts of other workspaces', async () => {
    const [wa = '', wb = ''] = ['root:wa', 'root:wb'].map((path) => clusters.get(path));
    const groups = ['system:authenticated'];
    const scopes = (...names: readonly string[]): Extra => ({
      'authentication.kcp.io/scopes': [names.map((name) => `cluster:${name}`).join(',')],
    });
    const warrant = (warranted: object): Extra => ({
      'authorization.kcp.io/warrant': [JSON.stringify(warranted)],
    });
    const account = (home: string, name: string): RecordedUser => ({
      name: `system:serviceaccount:default:${name}`,
      groups: [...groups, 'system:serviceaccounts', 'system:serviceaccounts:default'],
      extra: { ...scopes(home), 'authentication.kcp.io/cluster-name': [home] },
    });
    await workspaces.bind('root:wa', 'guest', user(`system:kcp:serviceaccount:${wb}:default:guest`));
    await workspaces.bind('root:wa', 'team', { kind: 'Group', name: 'team' });
    const alice = { user: 'alice', groups };
    const callers: readonly (readonly [RecordedUser, 'allowed' | 'refused'])[] = [
      [{ name: 'alice', groups }, 'allowed'],
      [{ name: 'alice', groups, extra: scopes(wa) }, 'allowed'],
      [{ name: 'alice', groups, extra: scopes(wa, wb) }, 'allowed'],
      [{ name: 'alice', groups, extra: scopes(wb) }, 'refused'],
      [{ name: 'mallory', groups }, 'refused'],
      [{ name: 'mallory', groups, extra: warrant(alice) }, 'allowed'],
      [{ name: 'mallory', groups, extra: warrant({ ...alice, extra: scopes(wa) }) }, 'allowed'],
      [{ name: 'mallory', groups, extra: warrant({ ...alice, extra: scopes(wb) }) }, 'refused'],
      [{ name: 'mallory', groups, extra: warrant({ user: 'eve', groups: ['team'] }) }, 'allowed'],
      [{ name: 'mallory', groups, extra: warrant({ User: 'alice' }) }, 'refused'],
      [{ name: 'mallory', groups, extra: { 'authorization.kcp.io/warrant': ['{'] } }, 'refused'],
      [account(wa, 'scraper'), 'allowed'],
      [account(wb, 'scraper'), 'refused'],
      [account(wb, 'guest'), 'allowed'],
      [{ ...account(wb, 'guest'), extra: { ...account(wb, 'guest').extra, ...scopes(wa) } }, 'allowed'],
    ];
    const client = new RawClient({ port: filter.port, ...keyPairOf(proxy) });
    clients.push(client);
    const sent = (who: RecordedUser): Promise<RawAnswer> =>
      client.request(`/clusters/${wa}/metrics`, { headers: remoteHeaders(who) });
    await eventually(() => sent({ name: 'eve', groups: [...groups, 'team'] }), 200);
    const asked = (question: object): Promise<boolean> =>
      isAllowed(
        {
          request: (method, path, body) => workspaces.masters.request(method, `/clusters/${wa}${path}`, body),
        },
        question,
      );
    const answers = [];
    const expected = [];
    for (const [who, said] of callers) {
      const { name, groups: itsGroups = [], extra = {} } = who;
      const ofKcp = (verb: string, path: string): Promise<boolean> =>
        asked({ user: name, groups: itsGroups, extra, nonResourceAttributes: { verb, path } });
      // Of access kcp asks no service account that is in scope, and nobody at /metrics.
      const isExempt =
        name.startsWith('system:serviceaccount:') && said === 'allowed' && !name.endsWith('guest');
      const isAllowedByKcp = (await ofKcp('get', '/metrics')) && (isExempt || (await ofKcp('access', '/')));
      answers.push([name, extra, (await sent(who)).status]);
      expected.push([name, extra, isAllowedByKcp ? 200 : 403]);
      expect([name, extra, isAllowedByKcp]).toEqual([name, extra, said === 'allowed']);
    }
    expect(answers).toEqual(expected);
  });

  it('follow a grant, a revocation and the groups that the workspace requires', async () => {
    const carol = await scrapes('carol');
    expect((await carol('root:wa')).status).toBe(403);
    await workspaces.bind('root:wa', 'carol', user('carol'));
    await eventually(() => carol('root:wa'), 200);
    const require = (groups: string | null): Promise<void> =>
      workspaces.annotate('root:wa', { 'authorization.kcp.io/required-groups': groups });
    await require('staff,oncall;owners');
    await eventually(() => carol('root:wa'), 403);
    const onCall = await scrapes('carol', ['staff', 'oncall']);
    expect((await onCall('root:wa')).status).toBe(200);
    await require(null);
    await eventually(() => carol('root:wa'), 200);
    await workspaces.unbind('root:wa', 'carol');
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
      await after(workspaces.bind('root:wa', 'dave', user('dave')), 200);
      await after(workspaces.unbind('root:wa', 'dave'), 403);
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
      await workspaces.annotate(path, { 'core.kcp.io/max-total-objects': '1' });
    }
    const alice = await scrapes('alice');
    await expect
      .poll(async () => (await alice('root:wa')).body, { timeout: 60_000, interval: 200 })
      .toContain(`kcp_logicalcluster_object_count{cluster="${cluster}"`);
    const { body } = await alice('root:wa');
    const series = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(series.filter((line) => !line.includes(`cluster="${cluster}"`))).toEqual([]);
    const all = (await workspaces.masters.request('GET', '/metrics')).body as string;
    expect(all).toContain(`kcp_logicalcluster_object_count{cluster="${clusters.get('root:wa:ina') ?? ''}"`);
  });

  it('end with the workspace, while it is scraped', async () => {
    const bob = await scrapes('bob');
    expect((await bob('root:wa:ina')).status).toBe(200);
    await workspaces.remove('root:wa', 'ina');
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
