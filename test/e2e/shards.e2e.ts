import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawClient } from '../support/raw-tls.js';
import { runProcess } from '../support/started-server.js';
import { ApiClient } from './api-client.js';
import { cacheServerBinary, isSkipped, kcpBinary } from './binaries.js';
import { FilterUnderTest } from './filter-under-test.js';
import { startKcp, type Kcp } from './kcp-control-plane.js';
import { ShardWorkspaces } from './shard-workspaces.js';

const isLacking = kcpBinary === undefined || cacheServerBinary === undefined;
const soon = { timeout: 30_000, interval: 50 };
const far = 'root:far';

/** root:far is on the second shard, whose filter has root's policy from the cache server, as the shard itself. */
describe.skipIf(isSkipped || isLacking)('a kcp of two shards and a cache server', () => {
  let kcp: Kcp;
  let atRoot: ShardWorkspaces;
  let atSecond: ShardWorkspaces;
  let cluster: string;
  let filters: Readonly<Record<'root' | 'second', FilterUnderTest>>;
  const started: { stop(): Promise<unknown> }[] = [];
  const clients: RawClient[] = [];

  beforeAll(async () => {
    kcp = await startKcp(kcpBinary ?? '', cacheServerBinary ?? '');
    started.push(kcp);
    atRoot = await ShardWorkspaces.of(kcp.rootShard);
    atSecond = await ShardWorkspaces.of(kcp.secondShard);
    cluster = await atRoot.create('root', 'far', 'second');
    await atSecond.grantReading(cluster, 'alice');
    const { rootShard, cacheServer } = kcp;
    const [reader, cacheReader] = [
      await rootShard.issueClient('reader', ['system:masters']),
      await cacheServer.issueClient('reader', ['system:masters']),
    ];
    const file = (name: string): string => join(rootShard.directory, name);
    const root = rootShard.kubeconfigFor({ user: { certificate: reader }, file: file('root.kubeconfig') });
    const cache = cacheServer.kubeconfigFor({
      user: { certificate: cacheReader },
      file: file('cache.kubeconfig'),
      basePath: '',
    });
    filters = {
      root: await FilterUnderTest.start(root, await atRoot.flags()),
      second: await FilterUnderTest.start(undefined, [
        `--cache-kubeconfig=${cache}`,
        ...(await atSecond.flags()),
      ]),
    };
    started.unshift(...Object.values(filters));
  }, 300_000);
  afterAll(async () => {
    for (const client of clients) client.close();
    for (const one of started) await one.stop();
  });

  const scraper = async (shard: 'root' | 'second', name: string) => {
    const client = new RawClient(await filters[shard].connectionOf(name));
    clients.push(client);
    return client;
  };

  it('lets a scraper of the second shard in once root’s binding is replicated, as the shard itself does', async () => {
    const { rootShard, secondShard } = kcp;
    const binding = { name: 'prometheus', role: 'system:kcp:metrics-reader' };
    await rootShard.clusterRoleBindings.create({
      ...binding,
      subjects: [{ kind: 'User', name: 'prometheus' }],
    });
    const [near, away] = [await scraper('root', 'prometheus'), await scraper('second', 'prometheus')];
    const certificate = await secondShard.issueClient('prometheus');
    const { certificateAuthority, adminKubeconfig } = rootShard;
    const shardItself = new ApiClient(new URL(secondShard.url).origin, () => ({
      authorities: [readFileSync(certificateAuthority, 'utf8')],
      certificate,
    }));
    const ending = { headers: { Connection: 'close' } };
    const statuses = async (): Promise<readonly number[]> => [
      // Bodies of two megabytes, which end with their connection.
      ...(await Promise.all(
        [near, away].map(async (client) => (await client.request('/metrics', ending)).status),
      )),
      (await shardItself.request('GET', '/metrics')).status,
    ];
    await expect.poll(statuses, soon).toEqual([200, 403, 403]);
    expect(await runProcess(['replicate', `--root-kubeconfig=${adminKubeconfig}`, '--once'])).toMatchObject({
      code: 0,
    });
    await expect.poll(statuses, soon).toEqual([200, 200, 200]);
    await rootShard.clusterRoleBindings.delete(binding.name);
    await expect.poll(statuses, soon).toEqual([403, 403, 403]);
  });

  it('serves the metrics of a workspace where it is, by name and by path, until it is deleted', async () => {
    const [near, away] = [await scraper('root', 'alice'), await scraper('second', 'alice')];
    const answers = async (): Promise<readonly number[]> => {
      const found: number[] = [];
      for (const client of [near, away]) {
        for (const name of [cluster, far])
          found.push((await client.request(`/clusters/${name}/metrics`)).status);
      }
      return found;
    };
    await expect.poll(answers, soon).toEqual([403, 403, 200, 200]);
    await atSecond.annotate(cluster, { 'core.kcp.io/max-total-objects': '1' });
    const series = `kcp_logicalcluster_object_count{cluster="${cluster}",shard="second"}`;
    await expect
      .poll(async () => (await away.request(`/clusters/${far}/metrics`)).body, soon)
      .toContain(series);
    expect(JSON.parse((await away.request('/http-sd/workspaces')).body)).toMatchObject([
      { labels: { __meta_kcp_cluster: cluster, __meta_kcp_workspace_path: far } },
    ]);
    await atRoot.remove('root', 'far');
    await expect.poll(answers, { ...soon, timeout: 60_000 }).toEqual([403, 403, 403, 403]);
  });
});
