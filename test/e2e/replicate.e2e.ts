import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { ControlPlane } from './control-plane.js';
import { printFigure } from './figures.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { ReplicatedRoot } from './replicated-root.js';
import { startSwallowingProxy } from './swallowing-proxy.js';

const annotation = 'internal.kcp.io/replicate';
const own = 'kcp-metrics-filter';
const settles = { timeout: 60_000, interval: 50 };

onControlPlane(kubeApiserver, 'replicate', (start) => {
  let root: ReplicatedRoot;
  let controlPlane: ControlPlane;
  beforeAll(async () => {
    controlPlane = await start();
    root = await ReplicatedRoot.in(controlPlane);
  });
  afterEach(() => root.stopAll());
  afterAll(() => controlPlane.stop());

  it('tells what it would change, and changes nothing, in a dry run', async () => {
    await root.grant('dry', '/metrics');
    const before = await root.versions();
    const { code, stdout, stderr } = await root.replicateOnce('--dry-run');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining([
        'would annotate ClusterRole "dry" (grants get /metrics)',
        'would annotate ClusterRoleBinding "dry" (grants get /metrics)',
      ]),
    );
    const following = root.replicate('--dry-run');
    await expect.poll(() => following.stdout, settles).toContain('would annotate ClusterRoleBinding "dry"');
    await root.bind('dry-later', 'dry');
    await expect.poll(() => following.stdout, settles).toContain('"dry-later"');
    expect(await following.stop()).toBe(0);
    await controlPlane.clusterRoleBindings.delete('dry-later');
    expect(await root.versions()).toEqual(before);
  });

  it('annotates bindings that grant shard-level paths and their roles, once, and leaves all others alone', async () => {
    await root.grant('slis', '/metrics/slis');
    await root.grant('version', '/version');
    await root.bind('reader-of-kcp', 'system:kcp:metrics-reader');
    await root.bind('by-hand', 'slis', 'wanted by somebody else');
    await controlPlane.clusterRoles.create({
      name: 'wide',
      rules: [
        { verbs: ['get'], nonResourceURLs: ['/metrics'] },
        { verbs: ['get'], apiGroups: [''], resources: ['pods'] },
      ],
    });
    await root.bind('wide', 'wide');
    const before = await root.versions();

    const { code, stdout, stderr } = await root.replicateOnce();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.filter((line) => !line.startsWith('skipped ')).toSorted()).toEqual([
      'annotated ClusterRole "dry" (grants get /metrics)',
      'annotated ClusterRole "slis" (grants get /metrics/slis)',
      'annotated ClusterRoleBinding "dry" (grants get /metrics)',
      'annotated ClusterRoleBinding "reader-of-kcp" (grants get /metrics)',
      'annotated ClusterRoleBinding "slis" (grants get /metrics/slis)',
      'annotated ClusterRoleBinding "system:monitoring" (grants get /metrics, get /metrics/slis)',
    ]);
    expect(stdout).toContain('skipped ClusterRoleBinding "wide" (ClusterRole "wide" also grants resources;');
    for (const name of ['dry', 'slis']) {
      expect(await root.annotationOfRole(name)).toBe(own);
      expect(await root.annotationOfBinding(name)).toBe(own);
    }
    expect(await root.annotationOfBinding('reader-of-kcp')).toBe(own);
    expect(await root.annotationOfBinding('by-hand')).toBe('wanted by somebody else');

    const after = await root.versions();
    const changed = [...after].filter(([path, version]) => before.get(path) !== version);
    expect(changed).toHaveLength(6);

    const again = await root.replicateOnce();
    expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: '' });
    expect(again.stdout).not.toContain('annotated');
    expect(await root.versions()).toEqual(after);
  });

  it('follows: annotates what comes, and takes back only its own word when the role loses the path', async () => {
    const following = root.replicate();
    await root.grant('changing', '/metrics');
    await expect.poll(() => root.annotationOfBinding('changing'), settles).toBe(own);
    expect(await root.annotationOfRole('changing')).toBe(own);
    await root.bind('changing-soon', 'changing');
    const began = performance.now();
    await expect.poll(() => root.annotationOfBinding('changing-soon'), settles).toBe(own);
    printFigure(`replicate: a new binding is annotated after ${Math.round(performance.now() - began)} ms`);
    await root.bind('changing-too', 'changing', 'theirs');
    await root.bind('changing-as-well', 'changing', `theirs,${own}`);

    await controlPlane.clusterRoles.replace({
      name: 'changing',
      rules: [{ verbs: ['get'], nonResourceURLs: ['/version'] }],
    });
    await expect.poll(() => root.annotationOfBinding('changing'), settles).toBeUndefined();
    await expect.poll(() => root.annotationOfRole('changing'), settles).toBeUndefined();
    await expect.poll(() => root.annotationOfBinding('changing-as-well'), settles).toBe('theirs');
    expect(await root.annotationOfBinding('changing-too')).toBe('theirs');
    expect(await root.annotationOfBinding('dry')).toBe(own);
    await expect
      .poll(() => following.stdout, settles)
      .toContain(
        `removed ${annotation} from ClusterRoleBinding "changing" (no longer grants a shard-level path)`,
      );
    expect(following.stdout).not.toContain('"changing-too"');
    expect(await following.stop()).toBe(0);
  });

  it('gets there beside another writer who changes the same bindings all the time', async () => {
    const names = ['hot-1', 'hot-2', 'hot-3', 'hot-4'];
    const writers = await Promise.all(names.map(startWriter));
    root.replicate();
    const annotations = () => Promise.all(names.map((name) => root.annotationOfBinding(name)));
    try {
      await expect.poll(annotations, settles).toEqual(names.map(() => own));
    } finally {
      for (const writer of writers) expect(await writer.stop()).toBeGreaterThan(0);
    }
    expect(await annotations()).toEqual(names.map(() => own));
  });

  it('tries again where it was too late each time, and undoes nothing of what the other has written', async () => {
    const proxy = await startSwallowingProxy(controlPlane);
    onTestFinished(() => proxy.close());
    // Whatever it knows is older than the other writer's next change.
    proxy.set({ kind: 'delay', ms: 100 });
    const before = await conflicts();
    const writer = await startWriter('late');
    try {
      const following = root.replicateThrough(proxy);
      await expect.poll(conflicts, settles).toBeGreaterThan(before + 2);
      const turns = await writer.stop();
      await expect.poll(() => root.annotationOfBinding('late'), settles).toBe(own);
      printFigure(`replicate: ${(await conflicts()) - before} conflicts beside ${turns} other changes`);
      expect(following.stderr).toBe('');
      const { body } = await controlPlane.request('GET', `${controlPlane.clusterRoleBindings.path}/late`);
      expect(body).toMatchObject({ metadata: { annotations: { 'e2e/turn': String(turns) } } });
    } finally {
      await writer.stop();
    }
  });

  it('says so when the API server is away, and goes on when it is back', async () => {
    const following = root.replicate();
    await root.bind('before-restart', 'slis');
    await expect.poll(() => root.annotationOfBinding('before-restart'), settles).toBe(own);
    await controlPlane.kill();
    await expect.poll(() => following.stderr, settles).toContain('out of step with root, nothing is changed');
    await controlPlane.restart();
    await expect.poll(() => following.stderr, settles).toContain('in step with root');
    await root.bind('after-restart', 'slis');
    await expect.poll(() => root.annotationOfBinding('after-restart'), settles).toBe(own);
    expect(await following.stop()).toBe(0);
  });

  /** Changes a new binding all the time until `stop()`, which resolves to how often. */
  async function startWriter(name: string): Promise<{ stop(): Promise<number> }> {
    await root.bind(name, 'slis');
    const stopping = new AbortController();
    const write = async (): Promise<number> => {
      let turns = 0;
      while (!stopping.signal.aborted) {
        await root.annotateBinding(name, { 'e2e/turn': String((turns += 1)) });
        await setTimeout(5);
      }
      return turns;
    };
    const writing = write();
    return {
      stop() {
        stopping.abort();
        return writing;
      },
    };
  }

  /** Of patches, as the API server counts them. */
  async function conflicts(): Promise<number> {
    const { body } = await controlPlane.request('GET', '/metrics');
    const counted =
      /^apiserver_request_total\{code="409",.*resource="clusterrolebindings".*verb="PATCH".*\} (\d+)$/m;
    return Number(counted.exec(String(body))?.[1] ?? 0);
  }
});
