import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RawClient } from '../support/raw-tls.js';
import type { ControlPlane } from './control-plane.js';
import { inWords, percentiles, printFigure } from './figures.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import type { Subject } from './rbac-objects.js';

/** How long a change may take to be seen; how long it does take is printed. */
const settles = { timeout: 60_000, interval: 5 };

const user = (name: string): Subject => ({ kind: 'User', name });
/** Somebody who scrapes, and what a binding has to name to let him. */
const scrapers: readonly {
  readonly subject: Subject;
  readonly name: string;
  readonly groups: readonly string[];
}[] = [
  { subject: user('prometheus'), name: 'prometheus', groups: [] },
  { subject: { kind: 'Group', name: 'monitoring' }, name: 'alice', groups: ['team-a', 'monitoring'] },
  {
    subject: { kind: 'ServiceAccount', namespace: 'monitoring', name: 'prometheus' },
    name: 'system:serviceaccount:monitoring:prometheus',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:monitoring'],
  },
  {
    subject: { kind: 'Group', name: 'system:serviceaccounts:monitoring' },
    name: 'system:serviceaccount:monitoring:another',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:monitoring'],
  },
];

onControlPlane(kubeApiserver, 'a change of the policy', (start) => {
  let controlPlane: ControlPlane;
  let kubeconfig: string;
  let filter: FilterUnderTest;
  const clients = new Map<string, RawClient>();
  const bindings = new Set<string>();
  /** Of the changes that were waited for (ms). */
  const delays: number[] = [];

  beforeAll(async () => {
    controlPlane = await start();
    await grantPolicyReader(controlPlane, 'watcher');
    kubeconfig = controlPlane.kubeconfigFor({
      user: { token: controlPlane.tokens.watcher },
      file: join(controlPlane.directory, 'watcher.kubeconfig'),
    });
    await controlPlane.clusterRoles.create(reading('/metrics'));
    filter = await FilterUnderTest.start(kubeconfig);
    for (const { name, groups } of [...scrapers, { name: 'mallory', groups: ['team-b'] }]) {
      clients.set(name, new RawClient(await filter.connectionOf(name, groups)));
    }
    await filter.inStep();
  });
  beforeEach(async () => {
    await controlPlane.clusterRoles.replace(reading('/metrics'));
    for (const name of bindings) {
      await controlPlane.request('DELETE', `${controlPlane.clusterRoleBindings.path}/${name}`);
    }
    bindings.clear();
    for (const { name } of scrapers) await expect.poll(() => statusFor(name), settles).toBe(403);
  });
  afterAll(async () => {
    printFigure(
      `policy changes: from the API server's answer to the first other one: ${inWords(percentiles(delays))}`,
    );
    for (const client of clients.values()) client.close();
    await filter.stop();
    await controlPlane.stop();
  });

  const reading = (url: string) => ({ name: 'reader', rules: [{ verbs: ['get'], nonResourceURLs: [url] }] });
  /** To the role `reader`, for one test. */
  const bind = (name: string, ...subjects: readonly Subject[]): Promise<string> =>
    bindTo('reader', name, subjects);
  const bindTo = (role: string, name: string, subjects: readonly Subject[]): Promise<string> => {
    bindings.add(name);
    return controlPlane.clusterRoleBindings.replace({ name, role, subjects });
  };
  const statusFor = async (name: string, path = '/metrics'): Promise<number | undefined> =>
    (await clients.get(name)?.request(path))?.status;
  const expectToBecome = async (status: number, name: string, path?: string): Promise<void> => {
    const began = performance.now();
    await expect.poll(() => statusFor(name, path), settles).toBe(status);
    delays.push(performance.now() - began);
  };

  it.each(scrapers)('grants and revokes by $subject.kind: $name', async ({ subject, name }) => {
    await bind('granted', subject);
    await expectToBecome(200, name);
    expect(await statusFor('mallory')).toBe(403);
    await controlPlane.clusterRoleBindings.delete('granted');
    await expectToBecome(403, name);
  });

  it("takes a service account from the token file for one as much as a certificate's", async () => {
    const name = 'system:serviceaccount:monitoring:prometheus';
    const tokens = join(controlPlane.directory, 'scrapers.csv');
    const token = 'e2e-service-account';
    await writeFile(tokens, `${token},${name},1,"system:serviceaccounts"\n`);
    const withTokens = await FilterUnderTest.start(kubeconfig, [`--token-auth-file=${tokens}`]);
    const client = new RawClient({ port: withTokens.port });
    await withTokens.inStep();
    const status = async () =>
      (await client.request('/metrics', { headers: { Authorization: `Bearer ${token}` } })).status;
    expect(await status()).toBe(403);
    await bind('granted', { kind: 'ServiceAccount', namespace: 'monitoring', name: 'prometheus' });
    await expect.poll(status, settles).toBe(200);
    await bind('granted', { kind: 'ServiceAccount', namespace: 'elsewhere', name: 'prometheus' });
    await expect.poll(status, settles).toBe(403);
  });

  it('replaces the path of a role by another', async () => {
    await bind('granted', user('prometheus'));
    await expectToBecome(200, 'prometheus');
    expect(await statusFor('prometheus', '/metrics/slis')).toBe(403);
    await controlPlane.clusterRoles.replace(reading('/metrics/slis'));
    await expectToBecome(403, 'prometheus');
    // Allowed, and not served by this process.
    expect(await statusFor('prometheus', '/metrics/slis')).toBe(404);
    await controlPlane.clusterRoles.replace(reading('/metrics'));
    await expectToBecome(200, 'prometheus');
    expect(await statusFor('prometheus', '/metrics/slis')).toBe(403);
  });

  it('grants nothing by bindings to a role that is deleted, until it is created again', async () => {
    await bind('granted', user('prometheus'));
    await expectToBecome(200, 'prometheus');
    await controlPlane.clusterRoles.delete('reader');
    await expectToBecome(403, 'prometheus');
    await bind('granted-meanwhile', { kind: 'Group', name: 'monitoring' });
    expect(await statusFor('alice')).toBe(403);
    await controlPlane.clusterRoles.create(reading('/metrics'));
    await expectToBecome(200, 'prometheus');
    await expectToBecome(200, 'alice');
  });

  it('follows a binding whose subjects are replaced', async () => {
    await bind('granted', user('prometheus'), user('somebody'));
    await expectToBecome(200, 'prometheus');
    await bind('granted', { kind: 'Group', name: 'monitoring' }, user('somebody'));
    await expectToBecome(403, 'prometheus');
    expect(await statusFor('alice')).toBe(200);
    await bind('granted');
    await expectToBecome(403, 'alice');
    await bind('granted', user('prometheus'));
    await expectToBecome(200, 'prometheus');
  });

  it('follows a binding that is deleted and created again for another role', async () => {
    await controlPlane.clusterRoles.create({
      name: 'version-reader',
      rules: [{ verbs: ['get'], nonResourceURLs: ['/version'] }],
    });
    await bind('granted', user('prometheus'));
    await expectToBecome(200, 'prometheus');
    await controlPlane.clusterRoleBindings.delete('granted');
    await bindTo('version-reader', 'granted', [user('prometheus')]);
    await expectToBecome(403, 'prometheus');
    await controlPlane.clusterRoleBindings.delete('granted');
    await bind('granted', user('prometheus'));
    await expectToBecome(200, 'prometheus');
  });

  it('reads an aggregated role as its controller has filled it', async () => {
    const { path } = controlPlane.clusterRoles;
    const aggregated = {
      kind: 'ClusterRole',
      metadata: { name: 'aggregated' },
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { 'e2e/aggregate': 'true' } }] },
    };
    expect((await controlPlane.request('POST', path, aggregated)).status).toBe(201);
    await bindTo('aggregated', 'aggregated', [user('prometheus')]);
    await bind('seen', { kind: 'Group', name: 'monitoring' });
    // Whatever came before has been seen then.
    await expectToBecome(200, 'alice');
    expect(await statusFor('prometheus')).toBe(403);
    const { rules } = reading('/metrics');
    expect((await controlPlane.request('PATCH', `${path}/aggregated`, { rules })).status).toBe(200);
    await expectToBecome(200, 'prometheus');
    expect((await controlPlane.request('PATCH', `${path}/aggregated`, { rules: [] })).status).toBe(200);
    await expectToBecome(403, 'prometheus');
  });

  describe('--bootstrap-policy=live at a server that has no /clusters/system:admin', () => {
    it.each([
      ['is not found', () => controlPlane.adminKubeconfig, /"source":"bootstrap",.*clusterroles: 404/],
      ['may not be read', () => kubeconfig, /"source":"bootstrap",.*clusterroles: 403 Forbidden/],
    ])('falls back to the built-in roles where it %s', async (_title, reader, refusal) => {
      const fallenBack = await FilterUnderTest.start(reader(), ['--bootstrap-policy=live']);
      const client = new RawClient(await fallenBack.connectionOf('built-in'));
      await fallenBack.inStep();
      const status = async () => (await client.request('/metrics')).status;
      expect(await status()).toBe(403);
      await bindTo('system:kcp:metrics-reader', 'built-in', [user('built-in')]);
      await expect.poll(status, settles).toBe(200);
      await expect.poll(() => fallenBack.log(), settles).toMatch(refusal);
    });
  });
});
