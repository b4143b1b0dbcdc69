import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { ControlPlane } from './control-plane.js';
import { kubeApiserver, type ApiServerProgram } from './kube-apiserver.js';
import { apply } from './kubernetes-objects.js';
import { onControlPlane } from './on-every-control-plane.js';
import { describeGrant, grantsOneByOne, roleOf, type RoleManifest } from './rbac-manifest.js';
import { replicateManifest, ReplicatedRoot } from './replicated-root.js';

const settles = { timeout: 60_000, interval: 50 };
/** Kubernetes asks nobody for it: kcp does, before it lets anybody into a workspace. */
const ofKcpAlone = 'access /';

/** As older servers are: what there is has to be listed, and then watched. */
const withoutWatchList: ApiServerProgram = {
  ...kubeApiserver,
  name: 'kube-apiserver without watch-list',
  args: (place) => [...kubeApiserver.args(place), '--feature-gates=WatchList=false'],
};

/** What `replicate` says where one of the manifest's grants is missing. */
const refusals: Readonly<Record<string, RegExp>> = {
  'list clusterroles':
    /^gave up: list of \S+\/clusterroles: 403 Forbidden: .*cannot list resource "clusterroles"/m,
  'list clusterrolebindings':
    /^gave up: list of \S+\/clusterrolebindings: 403 Forbidden: .*cannot list resource "clusterrolebindings"/m,
  'watch clusterroles':
    /^out of step with root, nothing is changed: watch-list of \S+\/clusterroles: 403 Forbidden: .*cannot watch resource "clusterroles"/m,
  'watch clusterrolebindings':
    /^out of step with root, nothing is changed: watch-list of \S+\/clusterrolebindings: 403 Forbidden: .*cannot watch resource "clusterrolebindings"/m,
  'patch clusterroles':
    /^ClusterRole "own": not changed: 403 Forbidden: .*cannot patch resource "clusterroles"/m,
  'patch clusterrolebindings':
    /^ClusterRoleBinding "own": not changed: 403 Forbidden: .*cannot patch resource "clusterrolebindings"/m,
  'bind clusterroles system:kcp:metrics-reader':
    /^ClusterRoleBinding "of-kcp": not changed: 404 NotFound: clusterrolebindings\S+ "system:kcp:metrics-reader" not found/m,
  'bind clusterroles system:monitoring':
    /^ClusterRoleBinding "of-kubernetes": not changed: 403 Forbidden: .*attempting to grant RBAC permissions/m,
  'get /metrics': /^ClusterRole "own": not changed: 403 Forbidden: .*attempting to grant RBAC permissions/m,
  'get /metrics/*':
    /^ClusterRole "own-slis": not changed: 403 Forbidden: .*attempting to grant RBAC permissions/m,
};

/** Bindings and their roles. */
const bindings = {
  own: 'own',
  'own-slis': 'own-slis',
  'of-kcp': 'system:kcp:metrics-reader',
  'of-kubernetes': 'system:monitoring',
};

onControlPlane(withoutWatchList, 'replicate with less than its manifest grants', (start) => {
  let root: ReplicatedRoot;
  let controlPlane: ControlPlane;
  const role = roleOf(replicateManifest);
  const grants = grantsOneByOne(role.rules).filter((grant) => describeGrant(grant) !== ofKcpAlone);
  beforeAll(async () => {
    controlPlane = await start();
    root = await ReplicatedRoot.in(controlPlane);
    await root.grant('own', '/metrics');
    await root.grant('own-slis', '/metrics/slis');
    await root.bind('of-kcp', bindings['of-kcp']);
    await root.bind('of-kubernetes', bindings['of-kubernetes']);
  });
  afterEach(async () => {
    await root.stopAll();
    await apply(controlPlane, replicateManifest);
    for (const grant of grants) await root.untilGranted(grant, true);
    await root.forget(Object.keys(bindings));
  });
  afterAll(() => controlPlane.stop());

  it('knows what it says without each grant of the manifest', () => {
    expect(grants.map(describeGrant).toSorted()).toEqual(Object.keys(refusals).toSorted());
  });

  it.each(Object.entries(refusals))('is refused without %s, and says so', async (title, refusal) => {
    const rules = grants.filter((grant) => describeGrant(grant) !== title);
    const lesser: RoleManifest = { ...role, rules };
    await apply(controlPlane, [lesser]);
    for (const grant of grants) await root.untilGranted(grant, rules.includes(grant));
    if (title.startsWith('watch ')) {
      const following = root.replicate();
      await expect.poll(() => following.stderr, settles).toMatch(refusal);
    } else {
      const { code, stderr } = await root.replicateOnce();
      expect(stderr).toMatch(refusal);
      expect(code).toBe(1);
    }
  });

  it('is refused nothing with all of it', async () => {
    const { code, stderr } = await root.replicateOnce();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const name of Object.keys(bindings)) {
      expect(await root.annotationOfBinding(name)).toBe('kcp-metrics-filter');
    }
  });
});
