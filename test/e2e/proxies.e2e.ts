import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ApiClient } from './api-client.js';
import type { ControlPlane } from './control-plane.js';
import { startFaultProxy, type FaultProxy } from './fault-proxy.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { startSwallowingProxy, type SwallowingProxy } from './swallowing-proxy.js';

onControlPlane(kubeApiserver, 'the proxies before a control plane', (start) => {
  let controlPlane: ControlPlane;
  /** Of one binding; its first event comes at once. */
  let watchPath: string;
  const binding = (user: string) => ({
    name: 'watched',
    role: 'watcher',
    subjects: [{ kind: 'User' as const, name: user }],
  });
  beforeAll(async () => {
    controlPlane = await start();
    const { clusterRoles, clusterRoleBindings } = controlPlane;
    await clusterRoles.create({
      name: 'watcher',
      rules: [
        { verbs: ['get', 'list', 'watch'], apiGroups: ['rbac.authorization.k8s.io'], resources: ['*'] },
        { verbs: ['get'], nonResourceURLs: ['/readyz'] },
      ],
    });
    await clusterRoleBindings.create(binding('watcher'));
    watchPath = `${clusterRoleBindings.path}?watch=true&fieldSelector=metadata.name%3Dwatched`;
  });

  let changes = 0;
  const change = async (): Promise<void> => {
    changes += 1;
    const { subjects, ...rest } = binding('watcher');
    const another = { kind: 'User' as const, name: `another-${changes}` };
    await controlPlane.clusterRoleBindings.replace({ ...rest, subjects: [...subjects, another] });
  };
  /** Whoever asks through a proxy, by token. */
  const clientOf = (origin: string, authority: string): ApiClient =>
    new ApiClient(origin, () => ({ authorities: [authority], token: controlPlane.tokens.watcher }));
  const orNothing = (event: Promise<unknown>): Promise<unknown> =>
    Promise.race([event, setTimeout(300, 'nothing')]);

  describe('the swallowing proxy', () => {
    let proxy: SwallowingProxy;
    let client: ApiClient;
    beforeEach(async () => {
      proxy = await startSwallowingProxy(controlPlane);
      client = clientOf(proxy.origin, readFileSync(controlPlane.certificateAuthority, 'utf8'));
    });
    afterEach(() => proxy.close());

    it('passes everything until it is told otherwise', async () => {
      const watch = client.watch(watchPath);
      expect((await watch.next()).value).toMatchObject({ type: 'ADDED' });
      await change();
      expect((await watch.next()).value).toMatchObject({ type: 'MODIFIED' });
      await watch.return();
      await expect.poll(() => proxy.connections).toBe(0);
    });

    it('swallows: connections are open and mute, and stay so when others pass again', async () => {
      const watch = client.watch(watchPath);
      await watch.next();
      proxy.set({ kind: 'swallow' });
      await change();
      const second = watch.next();
      const request = client.request('GET', '/readyz');
      expect(await orNothing(Promise.race([second, request]))).toBe('nothing');
      expect(proxy.connections).toBe(2);
      proxy.set({ kind: 'pass' });
      expect(await client.request('GET', '/readyz')).toMatchObject({ status: 200 });
      expect(await orNothing(Promise.race([second, request]))).toBe('nothing');
      proxy.set({ kind: 'cut' });
      await expect(second).rejects.toThrow();
      await expect(request).rejects.toThrow();
    });

    it('swallows even that the server is gone', async () => {
      const watch = client.watch(watchPath);
      await watch.next();
      proxy.set({ kind: 'swallow' });
      await controlPlane.kill();
      const second = watch.next();
      expect(await orNothing(second)).toBe('nothing');
      proxy.set({ kind: 'cut' });
      await expect(second).rejects.toThrow();
      await controlPlane.restart();
    });

    it('cuts connections off, and each new one', async () => {
      const watch = client.watch(watchPath);
      await watch.next();
      proxy.set({ kind: 'cut' });
      await expect(watch.next()).rejects.toThrow();
      await expect(client.request('GET', '/readyz')).rejects.toThrow();
      proxy.set({ kind: 'pass' });
      expect(await client.request('GET', '/readyz')).toMatchObject({ status: 200 });
    });

    it('delays what passes', async () => {
      proxy.set({ kind: 'delay', ms: 100 });
      const started = performance.now();
      expect(await client.request('GET', '/readyz')).toMatchObject({ status: 200 });
      // A handshake and a request, there and back.
      expect(performance.now() - started).toBeGreaterThan(300);
    });
  });

  describe('the fault proxy', () => {
    let proxy: FaultProxy;
    let client: ApiClient;
    beforeEach(async () => {
      proxy = await startFaultProxy(controlPlane);
      client = clientOf(proxy.origin, proxy.certificateAuthority);
    });
    afterEach(() => proxy.close());

    it('forwards requests and watches until it is told otherwise', async () => {
      expect(await client.request('GET', '/readyz')).toMatchObject({ status: 200, body: 'ok' });
      expect(await client.request('GET', '/metrics')).toMatchObject({ status: 403 });
      const watch = client.watch(watchPath);
      expect((await watch.next()).value).toMatchObject({ type: 'ADDED' });
      await change();
      expect((await watch.next()).value).toMatchObject({ type: 'MODIFIED' });
      await watch.return();
      expect(proxy.counts).toEqual({ requests: 3, refused: 0 });
    });

    it.each([429, 500, 503] as const)('answers %i to its share of the requests', async (status) => {
      proxy.set({ kind: 'status', status, share: 0.5, retryAfterSeconds: 7 });
      const statuses: number[] = [];
      for (let request = 0; request < 4; request += 1) {
        const answer = await client.request('GET', '/readyz');
        statuses.push(answer.status);
        expect(answer.headers['retry-after']).toBe(answer.status === status ? '7' : undefined);
      }
      expect(statuses).toEqual([200, status, 200, status]);
      proxy.set(undefined);
      expect(await client.request('GET', '/readyz')).toMatchObject({ status: 200 });
      expect(proxy.counts).toEqual({ requests: 5, refused: 2 });
    });

    it.each([
      ['truncate', /middle of a line/],
      ['garbage', /JSON/],
    ] as const)('%s: an open watch is damaged at its next event', async (kind, expected) => {
      const watch = client.watch(watchPath);
      await watch.next();
      proxy.set({ kind });
      await change();
      await expect(watch.next()).rejects.toThrow(expected);
    });
  });
});
