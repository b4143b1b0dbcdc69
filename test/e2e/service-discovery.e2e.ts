import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { repository } from '../examples/commands.js';
import { objectsIn, type KubernetesObject } from '../examples/manifest-schemas.js';
import { startConnectProxy } from '../outgoing/proxies.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { delegatingControlPlane, type DelegatingControlPlane } from './delegating-control-plane.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver } from './kube-apiserver.js';
import { apply, namespaceOf, remove } from './kubernetes-objects.js';
import { onControlPlane } from './on-every-control-plane.js';
import { isPrometheusSkipped } from './binaries.js';
import { Prometheus } from './prometheus.js';

const example = (file: string): string =>
  readFileSync(join(repository, 'examples/service-discovery', file), 'utf8');

interface Configuration {
  readonly scrape_configs: readonly [
    {
      readonly tls_config: { readonly server_name: string };
      readonly kubernetes_sd_configs: readonly object[];
    },
  ];
}

interface EndpointSlice extends KubernetesObject {
  readonly endpoints: readonly object[];
}

/** Prometheus tells of a change at most every 5 s. */
const settles = { timeout: 60_000, interval: 200 };

// Debian's is built without Kubernetes' discovery: it takes one that build.mjs has built.
const isBuilt = existsSync(fileURLToPath(new URL('.bin-prometheus/prometheus', import.meta.url)));
if (!isBuilt) process.stderr.write("Kubernetes' service discovery is NOT tested: Prometheus is not built\n");

describe.skipIf(isPrometheusSkipped || !isBuilt)('Prometheus', () => {
  onControlPlane(kubeApiserver, 'with the shards that examples/service-discovery discovers', (start) => {
    let delegating: DelegatingControlPlane;
    beforeAll(async () => {
      delegating = await delegatingControlPlane(await start());
    });

    it('scrapes them as they come with the token of its service account, and no longer when they go', async () => {
      const { controlPlane, accounts, kubeconfig, prometheus: account } = delegating;
      await apply(controlPlane, [namespaceOf('kcp'), ...objectsIn(example('rbac.yaml'))]);
      const directory = temporaryDirectory();
      const { scrape_configs, ...settings } = parse(example('prometheus.yml')) as Configuration;
      const [job] = scrape_configs;
      const authority = await createAuthority({ commonName: 'shards-ca' });
      const serving = await authority.issue({
        commonName: 'shard',
        usage: 'serverAuth',
        dnsNames: [job.tls_config.server_name],
      });
      const flags = [
        `--tls-cert-file=${directory.write('serving.crt', serving.certificatePem)}`,
        `--tls-private-key-file=${directory.write('serving.key', serving.privateKeyPem)}`,
        `--authentication-kubeconfig=${kubeconfig}`,
      ];
      const shards = new Map<string, FilterUnderTest>();
      // The addresses are those of no machine.
      for (const address of ['192.0.2.11', '192.0.2.12']) {
        const filter = await FilterUnderTest.start(kubeconfig, flags);
        await filter.inStep();
        shards.set(`${address}:6443`, filter);
      }
      const network = await startConnectProxy((target) => shards.get(target)?.port);

      // What the example's Prometheus has by running in the cluster.
      const authorization = {
        credentials_file: directory.write('token', await accounts.requestToken(account)),
      };
      const prometheus = await Prometheus.startWith(directory, {
        ...settings,
        global: { scrape_interval: '3s', scrape_timeout: '3s' },
        scrape_configs: [
          {
            ...job,
            tls_config: {
              ca_file: directory.write('shards-ca.crt', authority.certificatePem),
              server_name: job.tls_config.server_name,
            },
            authorization,
            proxy_url: `http://127.0.0.1:${network.port}`,
            kubernetes_sd_configs: job.kubernetes_sd_configs.map((discovery) => ({
              ...discovery,
              api_server: controlPlane.url,
              tls_config: { ca_file: controlPlane.certificateAuthority },
              authorization,
            })),
          },
        ],
      });
      onTestFinished(() => prometheus.stop());
      const scraped = async (): Promise<object> =>
        Object.fromEntries(await prometheus.valuesOf('up', 'shard'));
      expect(await scraped()).toEqual({});

      const shipped = objectsIn(example('shards.yaml'));
      // The same endpoints, of Services that are not of the filter.
      const ofAnother = objectsIn(
        example('shards.yaml')
          .replaceAll(/(?:root|second)-shard/g, 'another-$&')
          .replaceAll('kcp-metrics-filter', 'another'),
      );
      await apply(controlPlane, [...ofAnother, ...shipped]);
      await expect.poll(scraped, settles).toEqual({ root: 1, second: 1 });
      const own = 'kcp_metrics_filter_build_info{namespace="kcp"}';
      expect(Object.fromEntries(await prometheus.valuesOf(own, 'instance'))).toEqual({
        '192.0.2.11:6443': 1,
        '192.0.2.12:6443': 1,
      });
      expect(new Set(network.asked.map(({ target }) => target))).toEqual(new Set(shards.keys()));

      const [root, second] = ['root-shard-1', 'second-shard-1'].map((name) =>
        shipped.find(({ metadata }) => metadata.name === name),
      ) as [EndpointSlice, EndpointSlice];
      await remove(controlPlane, [second]);
      await expect.poll(scraped, settles).toEqual({ root: 1 });

      const endpoints = root.endpoints.map((endpoint) => ({ ...endpoint, conditions: { ready: false } }));
      const notReady: EndpointSlice = { ...root, endpoints };
      await apply(controlPlane, [notReady]);
      await expect.poll(scraped, settles).toEqual({});
      await apply(controlPlane, [root, second]);
      await expect.poll(scraped, settles).toEqual({ root: 1, second: 1 });
    });
  });
});
