import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { RawClient } from '../support/raw-tls.js';
import { isAllowed } from './access-review.js';
import type { ControlPlane } from './control-plane.js';
import { inWords, printFigure } from './figures.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver } from './kube-apiserver.js';
import type { KubeconfigUser } from './kubeconfig.js';
import { onControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import { Scrapes } from './scrapes.js';
import { startSwallowingProxy, type SwallowingProxy } from './swallowing-proxy.js';

const rbac = 'rbac.authorization.k8s.io';
const settles = { timeout: 60_000, interval: 20 };

onControlPlane(kubeApiserver, "new credentials for the policy's source, without a restart", (start) => {
  let controlPlane: ControlPlane;
  /** On the way to the API server, to have the filter connect anew. */
  let proxy: SwallowingProxy;
  let kubeconfig: string;
  let filter: FilterUnderTest;
  let scrapes: Scrapes;
  let client: RawClient;

  beforeAll(async () => {
    controlPlane = await start();
    await controlPlane.clusterRoles.create({
      name: 'reader',
      rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }],
    });
    await bind('steady', 'steady');
    kubeconfig = join(controlPlane.directory, 'followed.kubeconfig');
  });
  afterAll(() => controlPlane.stop());
  beforeEach(async () => {
    await grantPolicyReader(controlPlane, 'watcher');
    proxy = await startSwallowingProxy(controlPlane);
  });
  afterEach(() => proxy.close());

  const bind = (name: string, scraper: string): Promise<string> =>
    controlPlane.clusterRoleBindings.replace({
      name,
      role: 'reader',
      subjects: [{ kind: 'User', name: scraper }],
    });
  /** In one step, as a kubelet and every careful tool do it. */
  const writeAtOnce = async (file: string, text: string): Promise<void> => {
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  };
  /** For `watcher`, and no other token any more. It reads its file at its start alone. */
  const serverTakes = async (token: string): Promise<void> => {
    await writeAtOnce(join(controlPlane.directory, 'tokens.csv'), `${token},watcher,1\n`);
    await controlPlane.restart();
  };
  const writeKubeconfig = async (user: KubeconfigUser): Promise<void> => {
    const file = `${kubeconfig}.new`;
    await rename(controlPlane.kubeconfigFor({ user, file, through: proxy }), kubeconfig);
  };
  const startScraped = async (user: KubeconfigUser): Promise<void> => {
    await writeKubeconfig(user);
    filter = await FilterUnderTest.start(kubeconfig);
    client = new RawClient(await filter.connectionOf('changing'));
    await filter.inStep();
    const scrapers = new Map([['steady', await filter.connectionOf('steady')]]);
    scrapes = new Scrapes({ port: filter.port, scrapers });
    onTestFinished(() => scrapes.stop());
    await scrapes.more();
  };
  const connectAnew = async (): Promise<void> => {
    proxy.set({ kind: 'cut' });
    await filter.stale();
    proxy.set({ kind: 'pass' });
    await filter.inStep();
  };
  const expectChangesToTakeEffect = async (): Promise<void> => {
    const status = async () => (await client.request('/metrics')).status;
    expect(await status()).toBe(403);
    await bind('changing', 'changing');
    await expect.poll(status, settles).toBe(200);
    await controlPlane.clusterRoleBindings.delete('changing');
    await expect.poll(status, settles).toBe(403);
  };
  const expectEveryScrapeServed = async (): Promise<void> => {
    await scrapes.more();
    expect(scrapes.failuresOf('steady')).toEqual([]);
    printFigure(`${expect.getState().currentTestName ?? ''}: scrapes ${inWords(scrapes.percentiles())}`);
  };

  it('goes on with a rotated token of its tokenFile, though the old one was refused already', async () => {
    const tokenFile = join(controlPlane.directory, 'watcher.token');
    const oldToken = controlPlane.tokens.watcher;
    await writeAtOnce(tokenFile, oldToken);
    await startScraped({ tokenFile });

    const newToken = 'e2e-rotated-token';
    await serverTakes(newToken);
    onTestFinished(() => serverTakes(oldToken));
    await expect.poll(() => filter.log(), settles).toContain('401 Unauthorized');
    expect(await filter.readiness()).toMatch(/^ok \(stale/);

    await writeAtOnce(tokenFile, `${newToken}\n`);
    await filter.inStep(60_000);
    await expectChangesToTakeEffect();
    await expectEveryScrapeServed();
    expect(filter.log()).not.toContain(newToken);
    expect(filter.log()).not.toContain(oldToken);
  });

  it("goes on when the server's certificate and its authority are others", async () => {
    await startScraped({ token: controlPlane.tokens.watcher });
    await controlPlane.rotateServingCertificate({ newCa: true });
    await expectChangesToTakeEffect();
    await connectAnew();
    await expectChangesToTakeEffect();
    await expectEveryScrapeServed();
  });

  it('goes on as the user of a kubeconfig that took the place of the first, and ignores a broken one', async () => {
    await startScraped({ token: controlPlane.tokens.watcher });
    await grantPolicyReader(controlPlane, 'another-reader');
    // The binding has one subject: the first may read no more.
    const mayFirst = { resourceAttributes: { verb: 'list', group: rbac, resource: 'clusterroles' } };
    const isFirstAllowed = () => isAllowed(controlPlane, { user: 'watcher', ...mayFirst });
    await expect.poll(isFirstAllowed, settles).toBe(false);
    await writeKubeconfig({ certificate: await controlPlane.issueClient('another-reader') });
    await connectAnew();
    await expectChangesToTakeEffect();

    await writeAtOnce(kubeconfig, 'clusters: [');
    await connectAnew();
    expect(filter.log()).toContain(kubeconfig);
    await expectChangesToTakeEffect();
    await expectEveryScrapeServed();
  });
});
