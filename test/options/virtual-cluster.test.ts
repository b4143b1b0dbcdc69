import { createServer } from 'node:http';
import { beforeEach, describe, expect, it } from 'vitest';
import { openMetricsFilter, type OpenMetricsFilter, type OpenMetricsFilterOptions } from '../../src/index.js';
import { listen, listenHttp } from '../support/listening.js';
import { atEnd } from '../support/ending.js';
import { HostCluster, type PodOnHost } from '../support/host-cluster.js';
import { kubeletBodies, kubeletNode, notOwn, ownPod, summaryOf } from '../support/kubelet-bodies.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';
import { words } from '../support/words.js';

const soon = { timeout: 20_000, interval: 20 };

const policy = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: reader }
rules: [{ nonResourceURLs: [/metrics, /metrics/*], verbs: [get] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: readers }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: User, name: owner }]
`;
const web: PodOnHost = {
  ...ownPod,
  is: ['default', 'web-0'],
  annotations: { 'vcluster.loft.sh/object-uid': 'virtual-1' },
};
/** Where the filter has what the kubelet has at this path. */
const ofNode = (path: string, node = kubeletNode): string =>
  `/metrics/nodes/${node}${path.replace(/^\/metrics(?=\/|$)/, '')}`;

let directory: TemporaryDirectory;
let host: HostCluster;
beforeEach(async () => {
  directory = temporaryDirectory();
  directory.write('policy.yaml', policy);
  host = await new HostCluster().start();
  host.set(web);
  // Of other owners: another virtual cluster's, one of the same name in another namespace, the host's own.
  host.set({
    namespace: 'team-b',
    name: 'ledger-0-x-default-x-dev',
    of: 'other',
    is: ['default', 'ledger-0'],
  });
  host.set({ namespace: 'kube-system', name: 'etcd-host-1', of: 'none' });
});
interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
}
type Ask = (path: string, token?: string) => Promise<Answer>;

async function opened(options: OpenMetricsFilterOptions = {}): Promise<Ask & { filter: OpenMetricsFilter }> {
  const filter = await openMetricsFilter({
    tokenAuthFile: directory.write('tokens.csv', 'owner-token,owner,1\nother-token,other,2\n'),
    rbacDir: directory.path,
    virtualCluster: 'team-a/dev',
    hostKubeconfig: directory.write('host.kubeconfig', host.kubeconfig),
    ...options,
  });
  atEnd(() => filter.close());
  const { port } = await listen(createServer(filter));
  const ask: Ask = async (path, token = 'owner-token') => {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
    return { status: answer.status, body: await answer.text(), headers: answer.headers };
  };
  return Object.assign(ask, { filter });
}

async function ready(options: OpenMetricsFilterOptions = {}): Promise<Ask & { filter: OpenMetricsFilter }> {
  const ask = await opened(options);
  await expect.poll(() => ask.filter.ready(), soon).toBe(true);
  return ask;
}

async function upstreamOf(body: () => string): Promise<string> {
  const { port } = await listenHttp((_request, response) => {
    response.setHeader('Content-Type', 'text/plain; version=0.0.4').end(body());
  });
  return `http://127.0.0.1:${port}/federate`;
}

describe('metrics of kubelets, for the owner of a virtual cluster', () => {
  it.each([
    [
      '/metrics/cadvisor',
      2,
      /^container_cpu_usage_seconds_total\{.*,namespace="default",pod="web-0"\} 1\.5 1795262024000$/m,
    ],
    [
      '/metrics/resource',
      2,
      /^pod_memory_working_set_bytes\{namespace="default",pod="web-0"\} 0 1795262024000$/m,
    ],
    ['/metrics/probes', 1, /^prober_probe_total\{container="main",namespace="default",pod="web-0",/m],
    ['/metrics', 1, /^kubelet_started_pods_errors\{pod="web-0",namespace="default"\} 0$/m],
  ])('has at %s the owner’s pods alone, under their own names', async (path, series, line) => {
    const ask = await ready();
    const { status, body } = await ask(ofNode(path));
    expect([status, body]).toEqual([200, body]);
    expect(body).toMatch(line);
    expect(body.split('\n').filter((each) => /^[a-z]/.test(each))).toHaveLength(series);
    expect(body).not.toMatch(notOwn);
    expect(kubeletBodies[path]).toMatch(notOwn);
  });

  it('has in /stats/summary the same, and of the node its name alone', async () => {
    const ask = await ready();
    const { status, body, headers } = await ask(ofNode('/stats/summary'));
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json');
    expect(body).not.toMatch(notOwn);
    const [shown] = (summaryOf([ownPod]) as { pods: readonly { volume: readonly object[] }[] }).pods;
    const volume = shown?.volume.map((each) => ({ ...each, pvcRef: undefined }));
    const podRef = { name: 'web-0', namespace: 'default', uid: 'virtual-1' };
    const pods = [JSON.parse(JSON.stringify({ ...shown, volume, podRef })) as unknown];
    expect(JSON.parse(body)).toEqual({ node: { nodeName: kubeletNode }, pods });
  });

  it('are granted path by path, and nothing else of the proxy is served', async () => {
    const ask = await ready();
    expect((await ask(ofNode('/metrics/cadvisor'), 'other-token')).status).toBe(403);
    for (const path of words(`
      /pods /cadvisor/ /slis /stats /stats/container /constructor /exec/team-b/ledger-0/main /..%2fpods
    `)) {
      const { status } = await ask(ofNode(path));
      expect([307, 400, 404], path).toContain(status);
    }
    expect(host.requests.filter(({ url }) => url.includes('/proxy'))).toEqual([]);
  });

  it('are not served of nodes without a pod of the virtual cluster, of which the host is not asked', async () => {
    const ask = await ready();
    host.set({ namespace: 'team-b', name: 'other-1', of: 'other', is: ['default', 'x'], node: 'host-2' });
    for (const node of ['host-2', 'missing', 'host-', 'host-1.example', '..']) {
      expect((await ask(ofNode('/metrics', node))).status, node).not.toBe(200);
    }
    expect(host.requests.filter(({ url }) => url.includes('/proxy'))).toEqual([]);
    host.set({ name: 'api-0-x', is: ['default', 'api-0'], node: 'host-2' });
    // The kubelet is asked now, and is not there.
    await expect.poll(async () => (await ask(ofNode('/metrics', 'host-2'))).status, soon).toBe(502);
  });

  it('a pod’s statistics are those of the pod that has the name now', async () => {
    const ask = await ready();
    host.kubeletBodies['/stats/summary'] = JSON.stringify(summaryOf([{ ...ownPod, uid: 'of-a-pod-before' }]));
    expect(JSON.parse((await ask(ofNode('/stats/summary'))).body)).toMatchObject({ pods: [] });
  });

  it('say nothing of pods of other nodes, whatever a kubelet that was taken over says', async () => {
    const other = { ...ownPod, name: 'api-0-x-default-x-dev', uid: '5c5ba73a-0009' };
    host.set({ ...other, is: ['default', 'api-0'], node: 'host-2' });
    const series = ({ namespace, name }: typeof ownPod, labels = ''): string =>
      `up{${labels}namespace="${namespace}",pod="${name}"} 1\n`;
    host.kubeletBodies['/metrics'] =
      series(other) +
      series(ownPod) +
      series(other, 'escaped="\\\\",') +
      `up{exported_namespace="${other.namespace}",exported_pod="${other.name}",namespace="${ownPod.namespace}",pod="${ownPod.name}"} 1\n`;
    host.kubeletBodies['/stats/summary'] = JSON.stringify(summaryOf([other, ownPod]));
    const ask = await ready();
    // Both are known.
    await expect.poll(async () => (await ask('/metrics/filter')).body, soon).toContain('cluster_pods 2\n');
    expect((await ask(ofNode('/metrics'))).body).toBe('up{namespace="default",pod="web-0"} 1\n');
    const { pods } = JSON.parse((await ask(ofNode('/stats/summary'))).body) as { pods: unknown };
    expect(pods).toMatchObject([{ podRef: { name: 'web-0' } }]);
    expect(pods).toHaveLength(1);
  });

  it.each([
    ['no JSON', 'pods'],
    ['cut off', '{"pods":[{"podRef":{}}'],
    ['without pods', '{"node":{}}'],
    ['with two lists of pods', '{"pods":[],"pods":[]}'],
    ['with a pod too large to be parsed in one go', `{"pods":[[${'[],'.repeat(400_000)}[]]]}`],
  ])('a summary is refused that is %s', async (_what, body) => {
    const ask = await ready();
    host.kubeletBodies['/stats/summary'] = body;
    expect(await ask(ofNode('/stats/summary'))).toMatchObject({ status: 502, body: 'Bad Gateway\n' });
  });

  it('are shared by scrapes at once, and asked for with the credentials of the kubeconfig alone', async () => {
    const ask = await ready();
    const answers = await Promise.all([1, 2, 3].map(() => ask(ofNode('/metrics/cadvisor'))));
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
    const asked = host.requests.filter(({ url }) => url.includes('/proxy'));
    expect(asked.length).toBeLessThan(3);
    expect(asked[0]?.headers['authorization']).toBe('Bearer token-of-the-filter');
  });
});

describe('names of pods', () => {
  const series = (name: string, namespace = 'team-a'): string =>
    `up{namespace="${namespace}",pod="${name}"} 1\n`;

  it('come and go with the pods', async () => {
    const url = await upstreamOf(() => series('web-0-x-default-x-dev') + series('new-0-x-default-x-dev'));
    const ask = await ready({ upstream: [url] });
    const scraped = async (): Promise<string> => (await ask('/metrics')).body;
    expect(await scraped()).toBe('up{namespace="default",pod="web-0"} 1\n');
    host.set({ name: 'new-0-x-default-x-dev', is: ['default', 'new-0'] });
    await expect.poll(scraped, soon).toContain('up{namespace="default",pod="new-0"} 1\n');
    host.delete(web.name);
    await expect.poll(scraped, soon).toBe('up{namespace="default",pod="new-0"} 1\n');
    // The name is another owner's now.
    host.set({ name: 'new-0-x-default-x-dev', of: 'other', is: ['default', 'new-0'] });
    await expect.poll(scraped, soon).toBe('');
  });

  it('follow the host after 410, and after everything was listed anew', async () => {
    const url = await upstreamOf(() => series('web-0-x-default-x-dev') + series('new-0-x-default-x-dev'));
    const ask = await ready({ upstream: [url] });
    host.expire();
    host.set({ name: 'new-0-x-default-x-dev', is: ['default', 'new-0'] });
    await expect.poll(async () => (await ask('/metrics')).body, soon).toContain('new-0');
  });

  it('count for every path of an upstream, and not for the filter’s own metrics', async () => {
    const url = await upstreamOf(
      () => `${series('web-0-x-default-x-dev')}${series('etcd-host-1', 'kube-system')}up 1\n`,
    );
    const ask = await ready({ upstreamPath: [`/metrics/app=${url}`] });
    expect((await ask('/metrics/app')).body).toBe('up{namespace="default",pod="web-0"} 1\n');
    expect((await ask('/metrics')).body).not.toMatch(/^[a-z]/m);
    const { body } = await ask('/metrics/filter');
    expect(body).toContain('kcp_metrics_filter_virtual_cluster_pods 1\n');
    expect(body).toContain('kcp_metrics_filter_virtual_cluster_nameless_pods 0\n');
    expect(body).toContain('kcp_metrics_filter_virtual_cluster_age_seconds 0\n');
    expect(body).toMatch(
      /kcp_metrics_filter_virtual_cluster_watches_total\{method="watch-list",result="success"\} 1\n/,
    );
    expect(body).toMatch(/rest_client_requests_total\{code="200",method="GET",host="127\.0\.0\.1:\d+"\}/);
    expect(body).toMatch(/kcp_metrics_filter_dropped_series_total\{reason="no-mapping"\} [1-9]/);
  });
});

describe('without the host', () => {
  it('nothing is served before its pods were listed, and the rest answers', async () => {
    host.fail();
    const url = await upstreamOf(() => 'up 1\n');
    const ask = await opened({ upstream: [url] });
    for (const path of ['/metrics', ofNode('/metrics'), ofNode('/stats/summary')]) {
      const { status, body, headers } = await ask(path);
      expect([status, headers.get('retry-after')], path).toEqual([503, '1']);
      expect(JSON.parse(body)).toMatchObject({
        message: 'the pods of the virtual cluster are not loaded yet',
      });
      expect((await ask(path, 'other-token')).status).toBe(403);
    }
    expect((await ask('/metrics/filter')).status).toBe(200);
    expect(ask.filter.ready()).toBe(false);
    host.failsWith = undefined;
    await expect.poll(async () => (await ask('/metrics')).status, soon).toBe(200);
    expect(ask.filter.ready()).toBe(true);
  });

  it('names stay in use for as long as a policy does', async () => {
    const url = await upstreamOf(() => 'up{namespace="team-a",pod="web-0-x-default-x-dev"} 1\n');
    const forever = await ready({ upstream: [url] });
    const ask = await ready({ upstream: [url], maxPolicyStaleness: '100ms' });
    host.fail();
    await expect.poll(async () => (await ask('/metrics')).status, soon).toBe(503);
    expect((await ask('/metrics')).body).toContain('the pods of the virtual cluster are stale for too long');
    expect(ask.filter.ready()).toBe(false);
    expect((await forever('/metrics')).body).toBe('up{namespace="default",pod="web-0"} 1\n');
    // Through the host itself nothing is had meanwhile.
    expect((await forever(ofNode('/metrics'))).status).toBe(502);
    host.failsWith = undefined;
    await expect.poll(async () => (await ask('/metrics')).status, soon).toBe(200);
  });
});

describe('the namespace of the host', () => {
  const twice = (): void => {
    host.set({ namespace: 'team-b', name: 'web-0-x-default-x-dev', is: ['default', 'web-1'] });
  };
  const scraped =
    'up{namespace="team-a",pod="web-0-x-default-x-dev"} 1\nup{namespace="team-b",pod="web-0-x-default-x-dev"} 2\n';

  it('is watched alone where it is named', async () => {
    twice();
    const url = await upstreamOf(() => scraped);
    const ask = await ready({ upstream: [url] });
    expect((await ask('/metrics')).body).toBe('up{namespace="default",pod="web-0"} 1\n');
    const lists = host.requests.filter(({ url: path }) => path.includes('/pods'));
    expect(lists.every(({ url: path }) => path.startsWith('/api/v1/namespaces/team-a/pods?'))).toBe(true);
    expect(
      lists.every(({ url: path }) => path.includes('labelSelector=vcluster.loft.sh%2Fmanaged-by%3Ddev')),
    ).toBe(true);
  });

  it('must be the only one where none is named: another may be another owner’s', async () => {
    const url = await upstreamOf(() => scraped);
    const ask = await ready({ upstream: [url], virtualCluster: 'dev' });
    expect((await ask('/metrics')).body).toBe('up{namespace="default",pod="web-0"} 1\n');
    twice();
    await expect.poll(async () => (await ask('/metrics')).status, soon).toBe(503);
    expect((await ask('/metrics')).body).toContain(
      'virtual clusters of this name have pods in several namespaces',
    );
  });

  it('may be any of several where that is said', async () => {
    twice();
    const url = await upstreamOf(() => scraped);
    const ask = await ready({ upstream: [url], virtualCluster: '*/dev' });
    const body = 'up{namespace="default",pod="web-0"} 1\nup{namespace="default",pod="web-1"} 2\n';
    expect((await ask('/metrics')).body).toBe(body);
    // Two pods of one name: neither is known to be the one.
    host.set({ namespace: 'team-b', name: 'web-0-x-default-x-dev', is: ['default', 'web-0'] });
    await expect.poll(async () => (await ask('/metrics')).body, soon).toBe('');
    host.delete('web-0-x-default-x-dev', 'team-b');
    await expect
      .poll(async () => (await ask('/metrics')).body, soon)
      .toBe('up{namespace="default",pod="web-0"} 1\n');
  });
});
