import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { parse } from 'yaml';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { delegatingControlPlane, type DelegatingControlPlane } from '../e2e/delegating-control-plane.js';
import { FilterUnderTest } from '../e2e/filter-under-test.js';
import { freePort } from '../e2e/free-port.js';
import { upstreamOfTest } from '../e2e/ingested.js';
import { kubeApiserver } from '../e2e/kube-apiserver.js';
import { apply, namespaceOf, remove } from '../e2e/kubernetes-objects.js';
import { onControlPlane } from '../e2e/on-every-control-plane.js';
import { isPrometheusSkipped } from '../e2e/binaries.js';
import { Prometheus } from '../e2e/prometheus.js';
import { ServerProcess } from '../e2e/server-process.js';
import { repository } from '../examples/commands.js';
import { objectsIn, type KubernetesObject } from '../examples/manifest-schemas.js';
import { startConnectProxy } from '../outgoing/proxies.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';
import { mountVolumes, writtenConfiguration } from './mounted-pod.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const module = here('prometheus-operator');
const operatorBinary = here('.bin-prometheus-operator/prometheus-operator');
const promtoolBinary = here('../e2e/.bin-prometheus/promtool');
const missing = [operatorBinary, promtoolBinary].filter((binary) => !existsSync(binary));
if (missing.length > 0) {
  process.stderr.write(`The Prometheus operator is NOT tested: there is no ${missing.join(' and no ')}\n`);
}

const example = (file: string): readonly KubernetesObject[] =>
  objectsIn(readFileSync(join(repository, 'examples/prometheus-operator', file), 'utf8'));

/** They come with the operator's module. */
function customResourceDefinitions(): readonly KubernetesObject[] {
  const listed = ['list', '-m', '-f', '{{.Dir}}', 'github.com/prometheus-operator/prometheus-operator'];
  const { stdout } = spawnSync('go', listed, { cwd: module, encoding: 'utf8' });
  const folder = join(stdout.trim(), 'example/prometheus-operator-crd');
  return readdirSync(folder).flatMap((file) => objectsIn(readFileSync(join(folder, file), 'utf8')));
}

interface StatefulSet {
  readonly spec: { readonly template: { readonly spec: Parameters<typeof mountVolumes>[0] } };
}

const settles = { timeout: 60_000, interval: 200 };

describe.skipIf(missing.length > 0 || isPrometheusSkipped)('The Prometheus operator', () => {
  onControlPlane(kubeApiserver, 'with examples/prometheus-operator', (start) => {
    let delegating: DelegatingControlPlane;
    beforeAll(async () => {
      delegating = await delegatingControlPlane(await start());
    });

    it('makes of every monitor a job with which Prometheus scrapes the filter', async () => {
      const { controlPlane, accounts, kubeconfig, prometheus: account } = delegating;
      const directory = temporaryDirectory();
      await apply(controlPlane, customResourceDefinitions());
      const established = async (): Promise<boolean> => {
        const resources = ['v1/prometheuses', 'v1/servicemonitors', 'v1/podmonitors', 'v1/prometheusrules'];
        const found = await Promise.all(
          [...resources, 'v1alpha1/scrapeconfigs'].map((resource) =>
            controlPlane.request('GET', `/apis/monitoring.coreos.com/${resource}`),
          ),
        );
        return found.every(({ status }) => status === 200);
      };
      await vi.waitUntil(established, settles);

      const authority = await createAuthority({ commonName: 'shop-ca' });
      const serving = await authority.issue({
        commonName: 'shop-metrics',
        usage: 'serverAuth',
        dnsNames: ['shop-metrics.shop.svc'],
      });
      const filter = await FilterUnderTest.start(kubeconfig, [
        `--tls-cert-file=${directory.write('serving.crt', serving.certificatePem)}`,
        `--tls-private-key-file=${directory.write('serving.key', serving.privateKeyPem)}`,
        `--upstream=${await upstreamOfTest('# TYPE sold counter\nsold_total 1\n')}`,
        `--authentication-kubeconfig=${kubeconfig}`,
        '--api-audiences=shop-metrics',
        '--anonymous-auth=false',
        '--bootstrap-policy=false',
      ]);
      onTestFinished(() => filter.stop());
      await filter.inStep();
      // The pod's address and the Service's name lead to nothing here.
      const network = await startConnectProxy(() => filter.port);

      await apply(controlPlane, [namespaceOf('shop'), ...example('prometheus.yaml').slice(0, -1)]);
      await apply(controlPlane, example('clusterrolebinding.yaml'));
      await apply(controlPlane, inTheCluster(authority.certificatePem));
      await controlPlane.request('PATCH', '/api/v1/namespaces/shop/pods/shop-metrics/status', {
        status: { phase: 'Running', podIP: '192.0.2.21', podIPs: [{ ip: '192.0.2.21' }] },
      });
      await startOperator(directory, delegating);
      const monitors = ['servicemonitor', 'podmonitor', 'scrapeconfig', 'prometheus-rules'].map((kind) =>
        example(`${kind}.yaml`),
      );
      await apply(controlPlane, monitors.flat());
      const [shipped] = example('prometheus.yaml').slice(-1) as [
        KubernetesObject & { readonly spec: object },
      ];
      // Outside of the cluster it has to be told where the API server is.
      const credentialsFile = directory.write('api-token', await accounts.requestToken(account));
      const apiserverConfig = {
        host: controlPlane.url,
        tlsConfig: { caFile: controlPlane.certificateAuthority },
        authorization: { credentialsFile },
      };
      const changed = {
        ...shipped,
        spec: { ...shipped.spec, scrapeInterval: '3s', evaluationInterval: '1s', apiserverConfig },
      };
      await apply(controlPlane, [changed]);

      const jobs = async (): Promise<readonly string[]> => {
        const text = await writtenConfiguration(controlPlane).catch(() => '');
        const { scrape_configs = [] } = (parse(text) ?? {}) as Partial<Configuration>;
        return scrape_configs.map(({ job_name }) => job_name).sort();
      };
      const scraped = [
        'podMonitor/shop/shop-metrics/0',
        'podMonitor/shop/shop-metrics/1',
        'scrapeConfig/shop/shop-metrics',
        'scrapeConfig/shop/shop-metrics-filter',
        'serviceMonitor/shop/shop-metrics/0',
        'serviceMonitor/shop/shop-metrics/1',
      ];
      await expect.poll(jobs, settles).toEqual(scraped);
      const set = '/apis/apps/v1/namespaces/monitoring/statefulsets/prometheus-prometheus';
      await vi.waitUntil(async () => (await controlPlane.request('GET', set)).status === 200, settles);
      const { body } = await controlPlane.request('GET', set);
      const pod = (body as StatefulSet).spec.template.spec;
      const place = { controlPlane, accounts, account, directory };
      const here = await mountVolumes(pod, 'prometheus', place);
      const written = here(await writtenConfiguration(controlPlane));

      const check = ['check', 'config', directory.write('checked.yml', written)];
      const { status, stdout, stderr } = spawnSync(promtoolBinary, check, { encoding: 'utf8' });
      expect(`${stdout}${stderr}`).toMatch(/SUCCESS: \d\d rules found/);
      expect(status).toBe(0);

      const configuration = parse(written) as Configuration;
      const prometheus = await Prometheus.startWith(directory, {
        ...configuration,
        scrape_configs: configuration.scrape_configs.map((job) => ({
          ...job,
          proxy_url: `http://127.0.0.1:${network.port}`,
        })),
      });
      onTestFinished(() => prometheus.stop());
      await expect
        .poll(() => prometheus.targets(), settles)
        .toEqual(scraped.map((scrapePool) => ({ scrapePool, health: 'up', lastError: '' })));
      // Once for each kind of monitor, by what they name it.
      const paths = await prometheus.valuesOf(
        'count by (metrics_path) (up{metrics_path!=""})',
        'metrics_path',
      );
      expect(Object.fromEntries(paths)).toEqual({ '/metrics': 2, '/metrics/filter': 2 });
      expect(await prometheus.valueOf('count(sold_total{namespace="shop"})')).toBe(2);
      const recorded = 'count(job_instance:kcp_metrics_filter_certificate_validity_seconds:min)';
      await expect.poll(() => prometheus.valueOf(recorded), settles).toBe(2);

      await remove(controlPlane, example('podmonitor.yaml'));
      await expect.poll(jobs, settles).toEqual(scraped.slice(2));
    }, 300_000);
  });
});

interface Configuration {
  readonly scrape_configs: readonly { readonly job_name: string }[];
}

/** What runs in the example's namespace, as its controllers would have it. */
function inTheCluster(certificateAuthority: string): readonly KubernetesObject[] {
  const labels = { 'app.kubernetes.io/name': 'shop-metrics' };
  const [service] = example('service.yaml') as [KubernetesObject];
  const ports = [{ name: 'metrics', port: 8443, protocol: 'TCP' }];
  const ready = { addresses: ['192.0.2.21'], conditions: { ready: true } };
  return [
    service,
    ...[
      { kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'shop' } },
      {
        kind: 'Secret',
        metadata: { name: 'shop-metrics-tls', namespace: 'shop' },
        stringData: { 'ca.crt': certificateAuthority },
      },
      {
        kind: 'Pod',
        metadata: { name: 'shop-metrics', namespace: 'shop', labels },
        spec: {
          containers: [
            { name: 'filter', image: 'filter', ports: [{ name: 'metrics', containerPort: 8443 }] },
          ],
        },
      },
    ].map((object) => ({ apiVersion: 'v1', ...object })),
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: 'shop-metrics-1',
        namespace: 'shop',
        labels: { ...labels, 'kubernetes.io/service-name': service.metadata.name },
      },
      ...{ addressType: 'IPv4', ports, endpoints: [ready] },
    },
  ];
}

async function startOperator(
  directory: TemporaryDirectory,
  { controlPlane }: DelegatingControlPlane,
): Promise<void> {
  const certificate = await controlPlane.issueClient('operator', ['system:masters']);
  const address = `127.0.0.1:${await freePort()}`;
  const operator = await ServerProcess.start({
    name: 'prometheus-operator',
    binary: operatorBinary,
    args: [
      `--apiserver=${controlPlane.url}`,
      `--ca-file=${controlPlane.certificateAuthority}`,
      `--cert-file=${directory.write('operator.crt', certificate.certificatePem)}`,
      `--key-file=${directory.write('operator.key', certificate.privateKeyPem)}`,
      `--web.listen-address=${address}`,
    ],
    logFile: join(directory.path, 'operator.log'),
    isReady: async () => (await fetch(`http://${address}/healthz`)).ok,
  });
  onTestFinished(() => operator.end());
}
