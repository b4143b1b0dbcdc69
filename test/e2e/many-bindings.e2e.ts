import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { RawClient } from '../support/raw-tls.js';
import type { ControlPlane } from './control-plane.js';
import { inWords, printFigure } from './figures.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver } from './kube-apiserver.js';
import { createManyBindings, manyName } from './many-bindings.js';
import { onControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import { Scrapes } from './scrapes.js';

const settles = { timeout: 60_000, interval: 20 };

onControlPlane(kubeApiserver, 'thousands of bindings', (start) => {
  let controlPlane: ControlPlane;
  beforeAll(async () => {
    controlPlane = await start();
    await grantPolicyReader(controlPlane, 'watcher');
    for (const name of ['steady', 'many']) {
      await controlPlane.clusterRoles.create({
        name,
        rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }],
      });
    }
    await controlPlane.clusterRoleBindings.create({
      name: 'steady',
      role: 'steady',
      subjects: [{ kind: 'User', name: 'steady' }],
    });
  });
  afterAll(() => controlPlane.stop());

  it('created while scrapes go on, are all followed, and none of the scrapes fails or waits', async () => {
    const kubeconfig = controlPlane.kubeconfigFor({
      user: { token: controlPlane.tokens.watcher },
      file: join(controlPlane.directory, 'watcher.kubeconfig'),
    });
    const filter = await FilterUnderTest.start(kubeconfig);
    await filter.inStep();
    const scrapers = new Map([
      ['steady', await filter.connectionOf('steady')],
      ['stranger', await filter.connectionOf('stranger')],
    ]);
    const scrapes = new Scrapes({ port: filter.port, scrapers, isTimed: true });
    onTestFinished(() => scrapes.stop());
    await scrapes.more();
    const before = await filter.residentMebibytes();

    const began = performance.now();
    const count = await createManyBindings(controlPlane, { role: 'many', count: 10_000, withinMs: 60_000 });
    const created = performance.now();
    const atServer = await controlPlane.clusterRoleBindings.names();
    const inFilter = async () =>
      (await filter.metrics()).sum('kcp_metrics_filter_policy_objects', {
        layer: 'root',
        kind: 'ClusterRoleBinding',
      });
    await expect.poll(inFilter, settles).toBe(atServer.length);
    const followed = performance.now();
    const seconds = (created - began) / 1_000;
    printFigure(
      `${count} bindings created in ${seconds.toFixed(1)} s (${Math.round(count / seconds)}/s), followed ${Math.round(followed - created)} ms after the last, ${Math.round((await filter.residentMebibytes()) - before)} MiB; scrapes meanwhile ${inWords(scrapes.percentiles({ from: began, to: followed }))}`,
    );

    expect(count).toBeGreaterThan(1_000);
    expect(await filter.readiness()).toBe('ok');
    const bound = [0, Math.floor(count / 2), count - 1].map(manyName);
    const clients = await Promise.all(
      bound.map(async (name) => new RawClient(await filter.connectionOf(name))),
    );
    onTestFinished(() => {
      for (const client of clients) client.close();
    });
    const statuses = async () =>
      (await Promise.all(clients.map((client) => client.request('/metrics')))).map(({ status }) => status);
    expect(await statuses()).toEqual([200, 200, 200]);

    const deletedAt = performance.now();
    await controlPlane.clusterRoles.delete('many');
    await expect.poll(statuses, settles).toEqual([403, 403, 403]);
    printFigure(`${count} bindings lost their role after ${Math.round(performance.now() - deletedAt)} ms`);

    await scrapes.more();
    expect(scrapes.failuresOf('steady')).toEqual([]);
    expect(scrapes.servedTo('stranger')).toEqual([]);
    expect(scrapes.ownPercentiles().p99).toBeLessThan(2_000);
  });
});
