import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAuthority } from '../support/certificate-authority.js';
import { command } from '../support/command-line.js';
import { podObject, type PodOnHost } from '../support/host-cluster.js';
import { kubeletBodies, kubeletNode, notOwn, ownPod, summaryOf } from '../support/kubelet-bodies.js';
import { RawClient } from '../support/raw-tls.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import type { ControlPlane } from './control-plane.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver, type ApiServerPlace, type ApiServerProgram } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';

const soon = { timeout: 45_000, interval: 20 };

const socketOf = (directory: string): string => join(directory, 'egress.sock');

/** An API server does not ask a kubelet on a loopback address: this one reaches its nodes through a proxy. */
const host: ApiServerProgram = {
  ...kubeApiserver,
  args(place: ApiServerPlace) {
    const file = join(place.directory, 'egress.json');
    const transport = { uds: { udsName: socketOf(place.directory) } };
    const connection = { proxyProtocol: 'HTTPConnect', transport };
    const configuration = {
      apiVersion: 'apiserver.k8s.io/v1beta1',
      kind: 'EgressSelectorConfiguration',
      egressSelections: [{ name: 'cluster', connection }],
    };
    writeFileSync(file, JSON.stringify(configuration));
    return [...kubeApiserver.args(place), `--egress-selector-config-file=${file}`];
  },
};

const rbacGroup = 'rbac.authorization.k8s.io';
const policy = `
apiVersion: ${rbacGroup}/v1
kind: ClusterRole
metadata: { name: reader }
rules: [{ nonResourceURLs: [/metrics, /metrics/*], verbs: [get] }]
---
apiVersion: ${rbacGroup}/v1
kind: ClusterRoleBinding
metadata: { name: readers }
roleRef: { apiGroup: ${rbacGroup}, kind: ClusterRole, name: reader }
subjects: [{ apiGroup: ${rbacGroup}, kind: User, name: owner }]
`;

onControlPlane(host, 'the host of a virtual cluster', (start) => {
  const bodies: Record<string, string> = { ...kubeletBodies };
  const askedOfKubelet: string[] = [];
  let controlPlane: ControlPlane;
  const directory = temporaryDirectory();
  let kubelet: Server;
  let egress: ReturnType<typeof createHttpServer>;
  let filter: FilterUnderTest;
  let owner: RawClient;
  let kubeconfig: string;
  let uid: string;

  const made = async (path: string, body: object): Promise<unknown> => {
    const answer = await controlPlane.request('POST', path, body);
    expect([200, 201], JSON.stringify(answer.body)).toContain(answer.status);
    return answer.body;
  };
  const create = async (pod: PodOnHost): Promise<string> => {
    const { metadata, spec } = podObject(pod);
    const { namespace, name, labels, annotations } = metadata;
    const created = await made(`/api/v1/namespaces/${namespace}/pods`, {
      metadata: { name, labels, annotations },
      spec: { ...spec, containers: [{ name: 'main', image: 'registry.example/app:1' }] },
    });
    return (created as { readonly metadata: { readonly uid: string } }).metadata.uid;
  };
  const remove = async (name: string, namespace = 'team-a'): Promise<void> => {
    const path = `/api/v1/namespaces/${namespace}/pods/${name}?gracePeriodSeconds=0`;
    expect((await controlPlane.request('DELETE', path)).status).toBe(200);
  };
  const scrape = async (path: string): Promise<{ readonly status: number; readonly body: string }> => {
    const { status, body } = await owner.request(path);
    return { status, body };
  };
  const scraped = async (path: string): Promise<string> => (await scrape(path)).body;
  const web: PodOnHost = { name: ownPod.name, is: ['default', 'web-0'] };

  beforeAll(async () => {
    const authority = await createAuthority({ commonName: 'kubelet-ca' });
    const serving = await authority.issue({ usage: 'serverAuth', ipAddresses: ['192.0.2.10'] });
    kubelet = createServer(
      { cert: serving.certificatePem, key: serving.privateKeyPem },
      (request, response) => {
        const path = request.url ?? '';
        askedOfKubelet.push(path);
        const body = bodies[path];
        const type = path.startsWith('/metrics')
          ? 'text/plain; version=0.0.4; charset=utf-8'
          : 'application/json';
        response.writeHead(body === undefined ? 404 : 200, { 'Content-Type': type }).end(body);
      },
    ).listen(0, '127.0.0.1');
    await once(kubelet, 'listening');
    controlPlane = await start();
    const { port } = kubelet.address() as AddressInfo;
    egress = createHttpServer().on('connect', (_request, socket, head) => {
      const onward = connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        onward.write(head);
        socket.pipe(onward).pipe(socket);
      });
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
    });
    egress.listen(socketOf(controlPlane.directory));
    await once(egress, 'listening');

    for (const name of ['team-a', 'team-b']) {
      await made('/api/v1/namespaces', { metadata: { name } });
      await made(`/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: 'default' } });
    }
    await made('/api/v1/nodes', { metadata: { name: kubeletNode } });
    const status = {
      addresses: [{ type: 'InternalIP', address: '192.0.2.10' }],
      daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
    };
    await controlPlane.request('PATCH', `/api/v1/nodes/${kubeletNode}/status`, { status });
    uid = await create(web);
    await create({ namespace: 'team-b', name: 'ledger-0-x-default-x-dev', is: ['default', 'ledger-0'] });
    await create({ name: 'web-0-x-default-x-other', of: 'other', is: ['default', 'web-0'] });
    bodies['/stats/summary'] = JSON.stringify(
      summaryOf([
        { ...ownPod, uid },
        { ...ownPod, namespace: 'team-b', uid },
      ]),
    );

    kubeconfig = controlPlane.kubeconfigFor({
      user: { certificate: await controlPlane.issueClient('reader-of-dev') },
      file: join(controlPlane.directory, 'host.kubeconfig'),
    });
    directory.write('policy.yaml', policy);
    filter = await FilterUnderTest.start(undefined, [
      `--rbac-dir=${directory.path}`,
      '--virtual-cluster=team-a/dev',
      `--host-kubeconfig=${kubeconfig}`,
    ]);
    owner = new RawClient(await filter.connectionOf('owner'));
  });
  afterAll(async () => {
    await filter.stop();
    kubelet.close();
    kubelet.closeAllConnections();
    egress.close();
    egress.closeAllConnections();
  });

  const doctor = (): ReturnType<typeof command> =>
    command(
      'doctor',
      `--rbac-dir=${directory.path}`,
      '--virtual-cluster=team-a/dev',
      `--host-kubeconfig=${kubeconfig}`,
    );

  it('that lets nobody list its pods shows nothing, and doctor says what is missing', async () => {
    expect((await scrape('/metrics/nodes/host-1')).status).toBe(503);
    expect((await scrape('/metrics')).status).toBe(503);
    const { out } = await doctor();
    expect(out.replaceAll(/\s+/g, ' ')).toMatch(
      /cannot list pods, watch pods, 403 .*let this user list and watch pods/,
    );
  });

  it('lets be seen what one Role in the namespace and one right to kubelets grant', async () => {
    const roles = `/apis/${rbacGroup}/v1/namespaces/team-a`;
    const subjects = [{ kind: 'User', apiGroup: rbacGroup, name: 'reader-of-dev' }];
    const metadata = { name: 'metrics-of-dev' };
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] }];
    await made(`${roles}/roles`, { metadata, rules });
    const roleRef = { apiGroup: rbacGroup, kind: 'Role', name: metadata.name };
    await made(`${roles}/rolebindings`, { metadata, roleRef, subjects });
    await expect.poll(async () => (await scrape('/metrics')).status, soon).toBe(200);
    // Kubelets are another right.
    expect((await scrape('/metrics/nodes/host-1')).status).toBe(502);
    expect(askedOfKubelet).toEqual([]);
    const nodes = [{ apiGroups: [''], resources: ['nodes/proxy'], verbs: ['get'] }];
    await made(`/apis/${rbacGroup}/v1/clusterroles`, { metadata, rules: nodes });
    const clusterRole = { apiGroup: rbacGroup, kind: 'ClusterRole', name: metadata.name };
    await made(`/apis/${rbacGroup}/v1/clusterrolebindings`, { metadata, roleRef: clusterRole, subjects });
    await expect.poll(async () => (await scrape('/metrics/nodes/host-1')).status, soon).toBe(200);
    const { out } = await doctor();
    expect(out).toContain('list and watch Pods');
  });

  it.each([
    ['', 1, 'kubelet_started_pods_errors{pod="web-0",namespace="default"} 0'],
    ['/cadvisor', 2, 'namespace="default",pod="web-0"} 1.5 1795262024000'],
    ['/resource', 2, 'pod_memory_working_set_bytes{namespace="default",pod="web-0"} 0 1795262024000'],
    ['/probes', 1, 'prober_probe_total{container="main",namespace="default",pod="web-0",'],
  ])('asks its kubelet for %j and shows the owner’s pods', async (path, series, line) => {
    const { status, body } = await scrape(`/metrics/nodes/host-1${path}`);
    expect(status).toBe(200);
    expect(body).toContain(line);
    expect(body.split('\n').filter((each) => /^[a-z]/.test(each))).toHaveLength(series);
    expect(body).not.toMatch(notOwn);
  });

  it('asks it for the summary', async () => {
    const { status, body } = await scrape('/metrics/nodes/host-1/stats/summary');
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      node: { nodeName: kubeletNode },
      pods: [{ podRef: { namespace: 'default', name: 'web-0' }, containers: [{ name: 'main' }] }],
    });
    expect(body).not.toMatch(notOwn);
  });

  it('shows pods as they come, go, and lose their label', async () => {
    bodies['/metrics/resource'] = ['new-0', 'web-0']
      .map((name) => `up{namespace="team-a",pod="${name}-x-default-x-dev"} 1\n`)
      .join('');
    const both = 'up{namespace="default",pod="new-0"} 1\nup{namespace="default",pod="web-0"} 1\n';
    const resource = '/metrics/nodes/host-1/resource';
    await create({ name: 'new-0-x-default-x-dev', is: ['default', 'new-0'] });
    await expect.poll(() => scraped(resource), soon).toBe(both);
    await remove('new-0-x-default-x-dev');
    await expect.poll(() => scraped(resource), soon).toBe('up{namespace="default",pod="web-0"} 1\n');
    // The name is another owner's now.
    await create({ name: 'new-0-x-default-x-dev', of: 'other', is: ['default', 'new-0'] });
    await create({ name: 'later-0-x-default-x-dev', is: ['default', 'later-0'] });
    const path = '/api/v1/namespaces/team-a/pods/later-0-x-default-x-dev';
    bodies['/metrics/resource'] += 'up{namespace="team-a",pod="later-0-x-default-x-dev"} 1\n';
    await expect.poll(() => scraped(resource), soon).toContain('later-0');
    expect(await scraped(resource)).not.toContain('new-0');
    const labels = { 'vcluster.loft.sh/managed-by': null };
    await controlPlane.request('PATCH', path, { metadata: { labels } });
    await expect.poll(() => scraped(resource), soon).toBe('up{namespace="default",pod="web-0"} 1\n');
  });

  it('is followed on after it forgot the past', async () => {
    await controlPlane.compact();
    await remove(web.name);
    await create({ name: 'last-0-x', is: ['default', 'last-0'] });
    bodies['/metrics/cadvisor'] = ['web-0-x-default-x-dev', 'last-0-x']
      .map((name) => `up{namespace="team-a",pod="${name}"} 1\n`)
      .join('');
    await expect
      .poll(() => scraped('/metrics/nodes/host-1/cadvisor'), soon)
      .toBe('up{namespace="default",pod="last-0"} 1\n');
  });
});
