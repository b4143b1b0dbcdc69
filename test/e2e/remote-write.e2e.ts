import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type Authority } from '../../src/pki/throwaway-pki.js';
import { RunningPrometheus } from '../examples/running-prometheus.js';
import { startCli, type StartedServer } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { isPrometheusSkipped } from './binaries.js';

const tenants = ['acme', 'globex'] as const;
type Tenant = (typeof tenants)[number];

/** Between two scrapes (ms). */
const intervalMs = 1000;
/** How long the tenants' first certificates are valid: their next ones are there long before. */
const validityMs = 40_000;

const policy = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: writer }
rules: [{ nonResourceURLs: [/api/v1/push], verbs: [post] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: writers }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: writer }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: Group, name: tenants }]
`;

type Samples = ReadonlyMap<number, string>;

/** Stands for a backend of several tenants: Prometheus' receiver knows none, so each tenant has one of its own. */
class TenantProxy {
  readonly written: string[] = [];
  readonly #server = createServer((incoming, response) => {
    const tenant = incoming.headers['x-scope-orgid'];
    const receiver = typeof tenant === 'string' ? this.#receivers.get(tenant) : undefined;
    this.written.push(`${String(tenant)} ${incoming.method} ${incoming.url}`);
    if (receiver === undefined) {
      response.writeHead(400).end();
      return;
    }
    const [hostname, port] = receiver.split(':');
    const { method, url: path, headers } = incoming;
    const passed = request({ hostname, port, method, path, headers: { ...headers, host: receiver } });
    passed.on('error', () => response.destroy());
    passed.once('response', (answer: IncomingMessage) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(passed);
  });
  readonly #receivers: ReadonlyMap<string, string>;

  constructor(receivers: ReadonlyMap<string, string>) {
    this.#receivers = receivers;
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

describe.skipIf(isPrometheusSkipped)('two tenants whose Prometheus writes through the gateway', () => {
  const ending: (() => unknown)[] = [];
  const receivers = new Map<Tenant, RunningPrometheus>();
  const writers = new Map<Tenant, RunningPrometheus>();
  const directory = temporaryDirectory();
  let authority: Authority;
  let servers: Authority;
  let proxy: TenantProxy;
  let filter: StartedServer;
  let maintenanceFile: string;
  let expiry: number;

  const issue = async (tenant: Tenant, notAfter?: Date): Promise<void> => {
    const pair = await authority.issue({
      commonName: 'prometheus',
      organizations: ['tenants', `tenant:${tenant}`],
      usage: 'clientAuth',
      ...(notAfter && { notAfter }),
    });
    directory.write(`${tenant}.key`, pair.privateKeyPem);
    directory.write(`${tenant}.crt`, pair.certificatePem);
  };
  const serve = async (): Promise<void> => {
    const pair = await servers.issue({
      commonName: 'localhost',
      usage: 'serverAuth',
      dnsNames: ['localhost'],
    });
    directory.write('tls.key', pair.privateKeyPem);
    directory.write('tls.crt', pair.certificatePem);
  };
  const file = (name: string): string => `${directory.path}/${name}`;
  beforeAll(async () => {
    authority = await createAuthority({ commonName: 'tenants-ca' });
    servers = await createAuthority({ commonName: 'serving-ca' });
    directory.write('tenants-ca.crt', authority.certificatePem);
    directory.write('ca.crt', servers.certificatePem);
    await serve();
    const rbac = temporaryDirectory();
    rbac.write('policy.yaml', policy);
    const nothing = directory.write('receiver.yml', 'global: {}\n');
    for (const tenant of tenants) {
      const data = file(`received-${tenant}`);
      receivers.set(
        tenant,
        await RunningPrometheus.start(nothing, data, '--web.enable-remote-write-receiver'),
      );
    }
    proxy = new TenantProxy(new Map([...receivers].map(([tenant, { address }]) => [tenant, address])));
    const url = await proxy.listen();
    ending.push(() => proxy.close());
    maintenanceFile = file('maintenance.yaml');
    filter = await startCli([
      '--mode=shard',
      `--tls-cert-file=${file('tls.crt')}`,
      `--tls-private-key-file=${file('tls.key')}`,
      `--client-ca-file=${file('tenants-ca.crt')}`,
      '--anonymous-auth=false',
      `--rbac-dir=${rbac.path}`,
      '--bootstrap-policy=false',
      `--gateway-path=/api/v1/push=${url}/api/v1/write`,
      '--tenant-header=X-Scope-OrgID=group:tenant:',
      `--maintenance-file=${maintenanceFile}`,
    ]);
    ending.push(() => filter.stop());
    expiry = Date.now() + validityMs;
    for (const tenant of tenants) {
      await issue(tenant, new Date(expiry));
      const configFile = directory.write(`${tenant}.yml`, JSON.stringify(writing(tenant)));
      writers.set(tenant, await RunningPrometheus.start(configFile, file(`written-${tenant}`)));
    }
  }, 120_000);
  afterAll(async () => {
    for (const end of ending.reverse()) await end();
  });

  /** Scrapes itself, and writes all of it; what it sends under the name of a tenant must count for nothing. */
  const writing = (tenant: Tenant) => ({
    global: {
      scrape_interval: `${intervalMs}ms`,
      scrape_timeout: `${intervalMs}ms`,
      external_labels: { tenant },
    },
    scrape_configs: [{ job_name: 'self', static_configs: [{ targets: ['localhost:9'] }] }],
    remote_write: [
      {
        url: `https://localhost:${filter.port}/api/v1/push`,
        headers: { 'X-Scope-OrgID': tenant === 'acme' ? 'globex' : 'acme' },
        tls_config: {
          ca_file: file('ca.crt'),
          cert_file: file(`${tenant}.crt`),
          key_file: file(`${tenant}.key`),
        },
        queue_config: { batch_send_deadline: '250ms', max_backoff: '500ms' },
      },
    ],
  });

  /** Of the series that each scrape adds a sample to, failed or not. */
  const samples = async (prometheus: RunningPrometheus | undefined): Promise<Samples> => {
    const [series] = (await prometheus?.query('scrape_duration_seconds[1h]')) ?? [];
    return new Map((series as unknown as { readonly values?: [number, string][] } | undefined)?.values ?? []);
  };
  const receivedBy = (tenant: Tenant): Promise<Samples> => samples(receivers.get(tenant));
  const arrives = async (tenant: Tenant, seconds = 60): Promise<void> => {
    const { size } = await receivedBy(tenant);
    await expect
      .poll(async () => (await receivedBy(tenant)).size, { timeout: seconds * 1000, interval: 200 })
      .toBeGreaterThan(size);
  };

  it('lose no sample, whatever is switched off and rotated, and are never taken for one another', async () => {
    await Promise.all(tenants.map((tenant) => arrives(tenant)));

    directory.write('maintenance.yaml', 'groups: ["tenant:acme"]\n');
    await expect.poll(() => filter.log(), { timeout: 30_000 }).toMatch(/"maintenance"/);
    for (const tenant of tenants) await issue(tenant);
    await serve();
    const before = await receivedBy('acme');
    await arrives('globex');
    await arrives('globex');
    const kept = await receivedBy('acme');
    // What was under way when the file came.
    expect(kept.size - before.size).toBeLessThanOrEqual(1);
    rmSync(maintenanceFile);
    await arrives('acme', 120);

    // Past the end of the first certificates, whose connections had to end before.
    await pause(Math.max(0, expiry + 2 * intervalMs - Date.now()));
    for (const tenant of tenants) {
      const written = await samples(writers.get(tenant));
      expect(written.size).toBeGreaterThan(validityMs / intervalMs / 2);
      await expect
        .poll(
          async () => {
            const received = await receivedBy(tenant);
            return [...written].filter(([time, value]) => received.get(time) !== value);
          },
          { timeout: 120_000, interval: 500 },
        )
        .toEqual([]);
      const tenantsOf = await receivers.get(tenant)?.query('count by (tenant) ({__name__=~".+"})');
      expect(tenantsOf?.map(({ metric }) => metric)).toEqual([{ tenant }]);
      const dropped = await writers
        .get(tenant)
        ?.query(
          'prometheus_remote_storage_samples_failed_total or prometheus_remote_storage_samples_dropped_total > 0',
        );
      expect(dropped).toEqual([]);
    }
    expect(new Set(proxy.written)).toEqual(new Set(tenants.map((tenant) => `${tenant} POST /api/v1/write`)));
  }, 300_000);
});
