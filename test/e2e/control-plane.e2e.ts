import { ApiException, KubeConfig, RbacAuthorizationV1Api } from '@kubernetes/client-node';
import { once } from 'node:events';
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { connect } from 'node:tls';
import { beforeAll, expect, it } from 'vitest';
import { ApiClient, type WatchEvent } from './api-client.js';
import type { ControlPlane } from './control-plane.js';
import { kubeApiserver } from './kube-apiserver.js';
import type { KubeconfigUser } from './kubeconfig.js';
import { onControlPlane, onEveryControlPlane } from './on-every-control-plane.js';

const initialEventsEnd = 'k8s.io/initial-events-end';
const watchList = new URLSearchParams({
  watch: 'true',
  sendInitialEvents: 'true',
  resourceVersionMatch: 'NotOlderThan',
  allowWatchBookmarks: 'true',
}).toString();

/** Of the certificate that is shown to whoever believes the authority's file. */
async function servedSerial({ url, certificateAuthority }: ControlPlane): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), ca: readFileSync(certificateAuthority) });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().serialNumber;
  } finally {
    socket.destroy();
  }
}

onEveryControlPlane('the control plane that the other suites stand on', (start) => {
  let controlPlane: ControlPlane;
  beforeAll(async () => {
    controlPlane = await start();
  });

  const bind = (name: string): Promise<string> =>
    controlPlane.clusterRoleBindings.create({
      name,
      role: 'metrics-reader',
      subjects: [{ kind: 'User', name: 'prometheus' }],
    });
  /** The events up to the first that fits, or up to the end. */
  const watchUntil = async (query: string, isLast: (event: WatchEvent) => boolean): Promise<WatchEvent[]> => {
    const events: WatchEvent[] = [];
    for await (const event of controlPlane.watch(`${controlPlane.clusterRoleBindings.path}?${query}`)) {
      events.push(event);
      if (isLast(event)) break;
    }
    return events;
  };
  const nameOf = ({ object }: WatchEvent): string | undefined => object.metadata?.name;

  it('creates, replaces, lists and deletes what RBAC is made of', async () => {
    const { clusterRoles, clusterRoleBindings } = controlPlane;
    const created = await clusterRoles.create({
      name: 'metrics-reader',
      rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }],
    });
    const replaced = await clusterRoles.replace({
      name: 'metrics-reader',
      rules: [{ verbs: ['get', 'head'], nonResourceURLs: ['/metrics'] }],
    });
    expect(Number(replaced)).toBeGreaterThan(Number(created));
    await bind('short-lived');
    expect(await clusterRoleBindings.names()).toContain('short-lived');
    await clusterRoleBindings.delete('short-lived');
    expect(await clusterRoleBindings.names()).not.toContain('short-lived');
    await expect(clusterRoleBindings.delete('short-lived')).rejects.toThrow('404');
  });

  it('lists by watching, and says where the list ends', async () => {
    await bind('listed');
    const events = await watchUntil(watchList, ({ type }) => type !== 'ADDED');
    expect(events.map(nameOf)).toContain('listed');
    const end = events.at(-1);
    expect(end?.type).toBe('BOOKMARK');
    expect(end?.object.metadata?.annotations).toHaveProperty([initialEventsEnd], 'true');
  });

  it('stands still when it is paused, and then goes on', async () => {
    controlPlane.pause();
    const answer = controlPlane.request('GET', '/readyz');
    const first = await Promise.race([answer, setTimeout(500, 'nothing')]);
    controlPlane.resume();
    expect(first).toBe('nothing');
    expect(await answer).toMatchObject({ status: 200, body: 'ok' });
  });

  it('keeps its data when it is killed and comes back', async () => {
    await bind('kept');
    await controlPlane.kill();
    await expect(controlPlane.request('GET', '/readyz')).rejects.toThrow('ECONNREFUSED');
    await controlPlane.restart();
    expect(await controlPlane.clusterRoleBindings.names()).toContain('kept');
  });

  it('no longer knows an old resourceVersion when it was compacted', async () => {
    const old = await bind('before-compaction');
    await controlPlane.clusterRoleBindings.delete('before-compaction');
    await controlPlane.compact();
    const [event] = await watchUntil(`watch=true&resourceVersion=${old}`, () => true);
    // kcp's cache server does not know what was deleted, where etcd has compacted it.
    const code = controlPlane.name === 'kcp cache server' ? 500 : 410;
    expect(event).toMatchObject({ type: 'ERROR', object: { code } });
  });

  it('serves another certificate, and those of another authority, which is in its file then', async () => {
    const authority = (): string => readFileSync(controlPlane.certificateAuthority, 'utf8');
    const first = { authority: authority(), serial: await servedSerial(controlPlane) };
    await controlPlane.rotateServingCertificate();
    const second = { authority: authority(), serial: await servedSerial(controlPlane) };
    expect(second.serial).not.toBe(first.serial);
    expect(second.authority).toBe(first.authority);
    await controlPlane.rotateServingCertificate({ newCa: true });
    const third = { authority: authority(), serial: await servedSerial(controlPlane) };
    expect(third.serial).not.toBe(second.serial);
    expect(third.authority).not.toBe(second.authority);
    expect(await controlPlane.request('GET', '/readyz')).toMatchObject({ status: 200 });
  });

  it('writes kubeconfigs that a Kubernetes client understands', async () => {
    const statusOf = async (kubeconfig: string): Promise<number> => {
      const config = new KubeConfig();
      config.loadFromFile(kubeconfig);
      const client = config.makeApiClient(RbacAuthorizationV1Api);
      return client.listClusterRole().then(
        () => 200,
        (error: unknown) => (error instanceof ApiException ? error.code : 0),
      );
    };
    const file = join(controlPlane.directory, 'kubeconfig');
    const token = controlPlane.tokens.stranger;
    const nobody = await controlPlane.issueClient('nobody');
    const masters = await controlPlane.issueClient('somebody', ['system:masters']);
    const kubeconfigOf = (user: KubeconfigUser): string => controlPlane.kubeconfigFor({ user, file });
    expect(await statusOf(controlPlane.adminKubeconfig)).toBe(200);
    expect(await statusOf(kubeconfigOf({ certificate: masters }))).toBe(200);
    expect(await statusOf(kubeconfigOf({ certificate: nobody }))).toBe(403);
    expect(await statusOf(kubeconfigOf({ token }))).toBe(403);
  });

  it('begins anew when it has lost its data, behind where it was', async () => {
    let before = await bind('lost');
    for (let change = 0; change < 50; change += 1) {
      const subjects = [{ kind: 'User' as const, name: `user-${change}` }];
      before = await controlPlane.clusterRoleBindings.replace({
        name: 'lost',
        role: 'metrics-reader',
        subjects,
      });
    }
    await controlPlane.loseData();
    expect(await controlPlane.clusterRoleBindings.names()).not.toContain('lost');
    expect(Number(await bind('new'))).toBeLessThan(Number(before));
  });
});

onControlPlane(kubeApiserver, 'what the others may do otherwise', (start) => {
  let controlPlane: ControlPlane;
  beforeAll(async () => {
    controlPlane = await start();
  });

  it('is the version that go.mod has', async () => {
    const [, module = ''] = /\.bin-([^/]+)\/[^/]+$/.exec(realpathSync(kubeApiserver.binary)) ?? [];
    const goMod = readFileSync(new URL(`${module}/go.mod`, import.meta.url), 'utf8');
    const version = /\sk8s\.io\/kubernetes (v[\d.]+)/.exec(goMod)?.[1];
    expect(await controlPlane.request('GET', '/version')).toMatchObject({ body: { gitVersion: version } });
  });

  it.each([
    ['nobody', {}],
    ['a token that it does not know', { token: 'unknown' }],
  ])('refuses %s', async (_who, credentials) => {
    const authorities = [readFileSync(controlPlane.certificateAuthority, 'utf8')];
    const client = new ApiClient(controlPlane.url, () => ({ authorities, ...credentials }));
    expect(await client.request('GET', '/readyz')).toMatchObject({ status: 401 });
  });

  it('ends its watches when it is asked to end', async () => {
    const watch = controlPlane.watch(`${controlPlane.clusterRoleBindings.path}?${watchList}`);
    let next = await watch.next();
    while (next.value?.type === 'ADDED') next = await watch.next();
    expect(next.value).toMatchObject({ type: 'BOOKMARK' });
    await controlPlane.restart();
    expect(await watch.next()).toEqual({ done: true, value: undefined });
  });
});
