import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { createCredentials, repository, startCommand, type Started } from './commands.js';
import { faultsOf, objectsIn, type KubernetesObject } from './manifest-schemas.js';
import { isSkippedWithout } from './prometheus-programs.js';
import { RunningPrometheus } from './running-prometheus.js';

const read = (file: string): string =>
  readFileSync(join(repository, 'examples/service-discovery', file), 'utf8');

describe('the manifests of the shards', () => {
  it.each(['shards.yaml', 'rbac.yaml'])('%s is valid', (file) => {
    expect(faultsOf(objectsIn(read(file)))).toEqual([]);
  });

  it('would not be with a field that is misspelt', () => {
    const wrong = read('shards.yaml').replaceAll('addressType:', 'addresstype:');
    expect(faultsOf(objectsIn(wrong)).join()).toMatch(/addressType/);
  });
});

interface Service extends KubernetesObject {
  readonly metadata: KubernetesObject['metadata'] & { readonly labels: Readonly<Record<string, string>> };
}

interface EndpointSlice extends Service {
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly conditions: { readonly ready?: boolean };
  }[];
}

const isService = (object: KubernetesObject): object is Service => object.kind === 'Service';
const isEndpointSlice = (object: KubernetesObject): object is EndpointSlice =>
  object.kind === 'EndpointSlice';

/** What Prometheus' discovery says of an EndpointSlice's endpoints, as a file of targets. */
function discovered(objects: readonly KubernetesObject[], portOf: (service: string) => string): object[] {
  const services = objects.filter(isService);
  const slices = objects.filter(isEndpointSlice);
  return slices.flatMap(({ metadata, ports, endpoints }) => {
    const service = metadata.labels['kubernetes.io/service-name'] ?? '';
    const { labels = {} } = services.find(({ metadata: { name } }) => name === service)?.metadata ?? {};
    const ofService = Object.entries(labels).map(([name, value]) => [
      `__meta_kubernetes_service_label_${name.replaceAll(/[^A-Za-z0-9_]/g, '_')}`,
      value,
    ]);
    return ports.flatMap(({ name }) =>
      endpoints.map(({ addresses, conditions }) => ({
        targets: addresses.map(() => `127.0.0.1:${portOf(service)}`),
        labels: {
          ...(Object.fromEntries(ofService) as object),
          __meta_kubernetes_namespace: metadata.namespace,
          __meta_kubernetes_endpointslice_port_name: name,
          ...(conditions.ready === undefined
            ? {}
            : { __meta_kubernetes_endpointslice_endpoint_conditions_ready: String(conditions.ready) }),
        },
      })),
    );
  });
}

describe.skipIf(isSkippedWithout('examples/service-discovery', 'prometheus', 'promtool'))(
  'Prometheus',
  () => {
    const directory = temporaryDirectory();
    let shards: readonly Started[] = [];
    let prometheus: RunningPrometheus | undefined;

    beforeAll(async () => {
      await createCredentials(join(directory.path, 'credentials'));
      mkdirSync(join(directory.path, 'rbac'));
      const binding = 'rbac/prometheus-user.yaml';
      cpSync(join(repository, binding), join(directory.path, binding));
      const start = (): Promise<Started> =>
        startCommand(
          `DIRECTORY=${directory.path} examples/prometheus/start-server.sh shard 0`,
          /"url":"https:\/\/127\.0\.0\.1:(\d+)"/,
        );
      shards = await Promise.all([start(), start()]);
      const [root = '', second = ''] = shards.map(({ found }) => found);
      // Of the first endpoint nobody says whether it is ready, which means that it is.
      const services = objectsIn(
        read('shards.yaml').replace(/conditions:\n +ready: true\n/, 'conditions: {}\n'),
      );
      expect(services.filter(isEndpointSlice)[0]?.endpoints[0]?.conditions).toEqual({});
      const other = {
        kind: 'Service',
        metadata: { name: 'other', namespace: 'kcp', labels: { shard: 'other' } },
      };
      const slices = services.filter(({ kind }) => kind === 'EndpointSlice').slice(0, 1);
      const ofOther = slices.map((slice) => ({
        ...slice,
        metadata: { ...slice.metadata, labels: { 'kubernetes.io/service-name': 'other' } },
      }));
      const objects = [...services, { apiVersion: 'v1', ...other }, ...ofOther];
      const targets = discovered(objects, (service) => (service === 'second-shard' ? second : root));
      expect(targets).toHaveLength(4);
      const config = parse(read('prometheus.yml')) as { scrape_configs: [Record<string, unknown>] };
      const [job] = config.scrape_configs;
      expect(job['kubernetes_sd_configs']).toEqual([
        { role: 'endpointslice', namespaces: { names: ['kcp'] } },
      ]);
      delete job['kubernetes_sd_configs'];
      job['file_sd_configs'] = [{ files: [directory.write('targets.json', JSON.stringify(targets))] }];
      (job['tls_config'] as Record<string, unknown>)['server_name'] = 'localhost';
      job['scrape_interval'] = '500ms';
      job['scrape_timeout'] = '500ms';
      const file = directory.write('prometheus.yml', JSON.stringify(config));
      prometheus = await RunningPrometheus.start(file, directory.path);
    });

    it('scrapes both shards, and neither who is not ready nor another Service', async () => {
      const found = async (): Promise<readonly string[]> => {
        const targets = (await prometheus?.targets()) ?? [];
        return targets
          .map(({ labels, health, lastError }) => {
            const { job = '', shard = '', namespace = '', instance = '' } = labels;
            return [job, shard, namespace, instance, health, lastError].join(' ').trim();
          })
          .sort();
      };
      const [root = '', second = ''] = shards.map(({ found: port }) => port);
      await expect
        .poll(found, { timeout: 20_000, interval: 100 })
        .toEqual([
          `kcp-metrics-filter root kcp 127.0.0.1:${root} up`,
          `kcp-metrics-filter second kcp 127.0.0.1:${second} up`,
        ]);
    });

    it('is configured without a fault', () => {
      const args = ['check', 'config', join(directory.path, 'prometheus.yml')];
      const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
      expect(stdout + stderr).toContain('SUCCESS');
      expect(status).toBe(0);
    });
  },
);
