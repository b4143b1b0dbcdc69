import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { localAuthority } from '../support/local-authority.js';
import { runProcess, startProcess } from '../support/started-server.js';
import { RawClient } from '../support/raw-tls.js';
import { isAllowed } from './access-review.js';
import type { ControlPlane } from './control-plane.js';
import { printFigure } from './figures.js';
import { freePort } from './free-port.js';
import { kubeApiserver } from './kube-apiserver.js';
import type { KubeconfigUser } from './kubeconfig.js';
import { apply } from './kubernetes-objects.js';
import { onControlPlane } from './on-every-control-plane.js';
import { describeGrant, grantsOneByOne, readManifest, roleOf, type RbacManifest } from './rbac-manifest.js';
import { startSwallowingProxy } from './swallowing-proxy.js';
import { startWorkspaceProxy } from './workspace-proxy.js';

const settles = { timeout: 60_000, interval: 20 };
const policyReader = readManifest('api-access/policy-reader.yaml');
/** Of its manifest. */
const reader = 'metrics-policy-reader';

interface Finding {
  readonly level: 'ok' | 'warning' | 'error';
  readonly check: string;
  readonly subject: string;
  readonly message: string;
}

interface Diagnosis {
  readonly code: number | null;
  readonly result: string;
  /** Those that are not ok. */
  readonly faults: readonly Finding[];
}

onControlPlane(kubeApiserver, 'doctor', (start) => {
  let controlPlane: ControlPlane;
  /** Flags that leave nothing to be desired, but for the policy. */
  let good: readonly string[];
  let kubeconfigs = 0;

  beforeAll(async () => {
    controlPlane = await start();
    for (const manifest of ['api-access/policy-reader.yaml', 'prometheus-user.yaml']) {
      await apply(controlPlane, readManifest(manifest));
    }
    await untilReaderMay('watch', 'clusterrolebindings', true);
    const { authority, serving } = await localAuthority();
    good = [
      '--mode=shard',
      '--bind-address=127.0.0.1',
      '--secure-port=0',
      `--tls-cert-file=${await write('doctor.crt', serving.certificatePem)}`,
      `--tls-private-key-file=${await write('doctor.key', serving.privateKeyPem)}`,
      `--client-ca-file=${await write('doctor-ca.crt', authority.certificatePem)}`,
    ];
  });
  afterAll(() => controlPlane.stop());

  const write = async (name: string, text: string): Promise<string> => {
    const file = join(controlPlane.directory, name);
    await writeFile(file, text, { mode: 0o600 });
    return file;
  };
  const asReader = async (): Promise<KubeconfigUser> => ({
    certificate: await controlPlane.issueClient(reader),
  });
  type Way = Pick<Parameters<ControlPlane['kubeconfigFor']>[0], 'through' | 'basePath'>;
  const kubeconfigOf = (user: KubeconfigUser, way: Way = {}): string => {
    kubeconfigs += 1;
    return controlPlane.kubeconfigFor({
      user,
      file: join(controlPlane.directory, `doctor-${kubeconfigs}.kubeconfig`),
      ...way,
    });
  };
  const untilReaderMay = async (verb: string, resource: string, expected: boolean): Promise<void> => {
    const resourceAttributes = { verb, group: 'rbac.authorization.k8s.io', resource };
    await vi.waitUntil(
      async () => (await isAllowed(controlPlane, { user: reader, resourceAttributes })) === expected,
      settles,
    );
  };
  const diagnose = async (kubeconfig: string, ...flags: readonly string[]): Promise<Diagnosis> => {
    const args = [...good, `--root-kubeconfig=${kubeconfig}`, ...flags];
    const { code, stdout, stderr } = await runProcess(['doctor', ...args, '--output=json']);
    expect(stderr).toBe('');
    const { result, findings } = JSON.parse(stdout) as { result: string; findings: readonly Finding[] };
    return { code, result, faults: findings.filter(({ level }) => level !== 'ok') };
  };

  it('finds no fault with a reader of the least privilege, and what it checked does start', async () => {
    const kubeconfig = kubeconfigOf(await asReader());
    expect(await diagnose(kubeconfig)).toEqual({ code: 0, result: 'ok', faults: [] });
    const { code, stdout } = await runProcess(['doctor', ...good, `--root-kubeconfig=${kubeconfig}`]);
    expect(code).toBe(0);
    // Lines are wrapped for people.
    const words = stdout.replaceAll(/\s+/g, ' ');
    expect(words).toContain(`certificate "CN=${reader}" list and watch ClusterRoles and ClusterRoleBindings`);
    expect(words).toContain('GET /metrics: is granted to User "prometheus"');
    expect(words).toMatch(/ 0 errors, 0 warnings, \d+ fine\. $/);

    const server = await startProcess([...good, `--root-kubeconfig=${kubeconfig}`]);
    onTestFinished(async () => {
      await server.stop();
    });
    const client = new RawClient({ port: server.port });
    await expect.poll(async () => (await client.request('/readyz')).status, settles).toBe(200);
  });

  it('warns of a binding in root that other shards do not get, until replicate has annotated it', async () => {
    const proxy = await startWorkspaceProxy(controlPlane);
    onTestFinished(() => proxy.close());
    const way: Way = { through: proxy, basePath: proxy.basePath };
    // The proxy ends TLS: no client certificate gets through.
    const token = controlPlane.tokens.watcher;
    await apply(controlPlane, policyReader.map(bindTo('watcher')));
    onTestFinished(() => apply(controlPlane, policyReader));
    // Kubernetes' own, which kcp has outside the root workspace.
    await controlPlane.clusterRoleBindings.delete('system:monitoring');
    await controlPlane.clusterRoleBindings.create({
      name: 'plain',
      role: 'system:kcp:metrics-reader',
      subjects: [{ kind: 'User', name: 'plain' }],
    });
    const kubeconfig = kubeconfigOf({ token }, way);
    const unreplicated = {
      code: 1,
      result: 'warnings',
      faults: [
        {
          level: 'warning',
          check: 'unreplicated-binding',
          subject: 'root: ClusterRoleBinding "plain"',
          message: expect.stringContaining('kcp-metrics-filter replicate does') as string,
        },
      ],
    };
    await expect.poll(() => diagnose(kubeconfig), settles).toEqual(unreplicated);
    const asAdmin = `--root-kubeconfig=${controlPlane.adminKubeconfig}`;
    const replicated = await runProcess(['replicate', asAdmin, '--once']);
    expect(replicated).toMatchObject({ code: 0, stderr: '' });
    expect(replicated.stdout).toContain('annotated ClusterRoleBinding "plain" (grants get /metrics)');
    expect(await diagnose(kubeconfig)).toEqual({ code: 0, result: 'ok', faults: [] });
  });

  describe('finds an error', () => {
    const role = roleOf(policyReader);
    // The last is what kcp alone asks for.
    const grants = grantsOneByOne(role.rules).filter(({ resources }) => resources !== undefined);

    it.each(grants.map((grant) => [describeGrant(grant), grant] as const))(
      'in a reader who may not %s',
      async (title, missing) => {
        const [verb = '', resource = ''] = title.split(' ');
        const lesser: RbacManifest = { ...role, rules: grants.filter((grant) => grant !== missing) };
        await apply(controlPlane, [lesser]);
        onTestFinished(() => apply(controlPlane, policyReader));
        await untilReaderMay(verb, resource, false);
        const { code, result, faults } = await diagnose(kubeconfigOf(await asReader()));
        expect({ code, result }).toEqual({ code: 2, result: 'errors' });
        expect(faults[0]).toMatchObject({ level: 'error', check: 'policy-source' });
        expect(faults[0]?.message).toContain(`cannot ${title}, 403 `);
        expect(faults[0]?.message).toContain('policy-reader.yaml');
      },
    );

    it('in a unknown token, and does not print it', async () => {
      const { code, faults } = await diagnose(kubeconfigOf({ token: 'token-of-nobody' }));
      expect(code).toBe(2);
      expect(faults[0]?.message).toMatch(/401 .*renew them/);
      expect(JSON.stringify(faults)).not.toContain('token-of-nobody');
    });

    it("in an authority that is not the server's", async () => {
      const { certificatePem } = await createAuthority({ commonName: 'serving-ca-1' });
      const { origin } = new URL(controlPlane.url);
      const way: Way = { through: { origin, certificateAuthority: certificatePem } };
      const { code, faults } = await diagnose(kubeconfigOf(await asReader(), way));
      expect(code).toBe(2);
      expect(faults[0]?.message).toContain('check that the server runs');
    });

    it('in a dead server', async () => {
      const way: Way = { through: { origin: `https://127.0.0.1:${await freePort()}` } };
      const { code, result, faults } = await diagnose(kubeconfigOf(await asReader(), way));
      expect({ code, result }).toEqual({ code: 2, result: 'errors' });
      expect(faults[0]).toMatchObject({ level: 'error', check: 'policy-source' });
      expect(faults[0]?.message).toContain('ECONNREFUSED');
    });

    it('in a server that takes connections and says nothing, and does not wait for ever', async () => {
      const proxy = await startSwallowingProxy(controlPlane);
      onTestFinished(() => proxy.close());
      proxy.set({ kind: 'swallow' });
      const began = performance.now();
      const { code, faults } = await diagnose(kubeconfigOf(await asReader(), { through: proxy }));
      const seconds = (performance.now() - began) / 1_000;
      printFigure(`doctor: a server that says nothing was told of after ${seconds.toFixed(1)} s`);
      expect(code).toBe(2);
      expect(faults[0]).toMatchObject({ level: 'error', check: 'policy-source' });
      expect(seconds).toBeLessThan(45);
    });
  });
});

/** The same for another user. */
function bindTo(name: string) {
  return (object: RbacManifest): RbacManifest =>
    object.kind === 'ClusterRole' ? object : { ...object, subjects: [{ kind: 'User', name }] };
}
