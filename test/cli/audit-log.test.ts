import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RawClient } from '../support/raw-tls.js';
import { runCli, type StartedServer } from '../support/started-server.js';
import { IdentitySetting } from './identity-setting.js';

interface Line {
  readonly auditID: string;
  readonly requestURI: string;
  readonly user: { readonly username?: string };
  readonly sourceIPs: readonly string[];
  readonly userAgent?: string;
  readonly responseStatus: { readonly code: number };
  readonly annotations?: Readonly<Record<string, string>>;
}

const bin = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const soon = { timeout: 10_000, interval: 10 };

describe('the audit log of a running filter', () => {
  let setting: IdentitySetting;
  beforeAll(async () => {
    setting = await IdentitySetting.create();
  });
  afterEach(async () => {
    expect(await setting.stop()).toEqual([]);
  });

  const linesIn = (file: string): readonly Line[] =>
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  const fileNamed = (name: string): string => join(setting.directory.path, name);

  it.each(['batch', 'blocking'])('has a line for each request, with mode %s', async (mode) => {
    const file = fileNamed(`${mode}.log`);
    const server = await setting.start(`--audit-log-path=${file}`, `--audit-log-mode=${mode}`);
    expect(await setting.status(server, 'prometheus', { 'User-Agent': 'Prometheus/3.5.0' })).toBe(200);
    expect(await setting.status(server, 'mallory')).toBe(403);
    expect(await setting.status(server, 'stranger', { Authorization: 'Bearer s3cret' })).toBe(401);
    const client = setting.client(server, 'prometheus');
    expect((await client.request('/clusters/root/metrics?access_token=s3cret')).status).toBe(501);
    client.close();
    await vi.waitUntil(() => linesIn(file).length === 4, soon);
    expect(
      linesIn(file).map(({ requestURI, user, userAgent, responseStatus, annotations }) => [
        responseStatus.code,
        user.username,
        requestURI,
        userAgent,
        annotations?.['authorization.k8s.io/decision'] ?? annotations?.['shardpaths.kcp.io/rejected'],
      ]),
    ).toEqual([
      [200, 'prometheus', '/metrics', 'Prometheus/3.5.0', 'allow'],
      [403, 'mallory', '/metrics', undefined, 'forbid'],
      [401, undefined, '/metrics', undefined, undefined],
      [
        501,
        undefined,
        '/clusters/root/metrics?access_token=REDACTED',
        undefined,
        'shard-level endpoint not available at workspace scope',
      ],
    ]);
    expect(readFileSync(file, 'utf8')).not.toContain('s3cret');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await setting.metrics(server)).filter((line) => line.startsWith('apiserver_audit_'))).toEqual([
      'apiserver_audit_event_total 4',
      'apiserver_audit_error_total{plugin="log"} 0',
      'apiserver_audit_error_total{plugin="buffered"} 0',
    ]);
  });

  it("keeps a front proxy's Audit-Id and X-Forwarded-For, and nobody else's", async () => {
    const file = fileNamed('proxied.log');
    const server = await setting.start(
      `--audit-log-path=${file}`,
      `--requestheader-client-ca-file=${setting.directory.write('proxies.crt', setting.authorities.proxies)}`,
      '--requestheader-allowed-names=front-proxy',
    );
    const headers = { 'Audit-Id': 'one-request', 'X-Forwarded-For': '192.0.2.7' };
    const proxied = { ...headers, 'X-Remote-User': 'prometheus' };
    expect(await setting.status(server, 'front-proxy', proxied)).toBe(200);
    expect(await setting.status(server, 'prometheus', headers)).toBe(200);
    expect(await setting.status(server, undefined, headers)).toBe(403);
    await vi.waitUntil(() => linesIn(file).length === 3, soon);
    const [byProxy, ...others] = linesIn(file);
    expect(byProxy).toMatchObject({ auditID: 'one-request', sourceIPs: ['192.0.2.7', '127.0.0.1'] });
    for (const line of others) {
      expect(line.sourceIPs).toEqual(['127.0.0.1']);
      expect(line.auditID).not.toBe('one-request');
    }
  });

  it('is written out when the server stops', async () => {
    const file = fileNamed('stopped.log');
    const server = await setting.start(`--audit-log-path=${file}`);
    const client = setting.client(server, 'prometheus');
    for (let count = 0; count < 50; count += 1) await client.request('/metrics');
    client.close();
    expect(await server.stop()).toBe(0);
    expect(linesIn(file)).toHaveLength(50);
  });

  const stillServes = async (server: StartedServer): Promise<void> => {
    const started = performance.now();
    for (let count = 0; count < 20; count += 1) {
      expect(await setting.status(server, 'prometheus')).toBe(200);
    }
    expect(performance.now() - started).toBeLessThan(10_000);
  };

  it.each(['batch', 'blocking'])(
    'of a full disk keeps no scrape waiting, is said once, and stops in time, with mode %s',
    async (mode) => {
      const buffer = mode === 'batch' ? ['--audit-log-batch-buffer-size=5'] : [];
      const server = await setting.start('--audit-log-path=/dev/full', `--audit-log-mode=${mode}`, ...buffer);
      await stillServes(server);
      await vi.waitUntil(() => server.log().includes('audit events are not written'), soon);
      const lost = (await setting.metrics(server)).filter((line) =>
        line.startsWith('apiserver_audit_error_total'),
      );
      expect(lost).toEqual(
        mode === 'batch'
          ? [
              'apiserver_audit_error_total{plugin="log"} 0',
              'apiserver_audit_error_total{plugin="buffered"} 15',
            ]
          : [
              'apiserver_audit_error_total{plugin="log"} 20',
              'apiserver_audit_error_total{plugin="buffered"} 0',
            ],
      );
      const stopping = performance.now();
      expect(await server.stop()).toBe(0);
      expect(performance.now() - stopping).toBeLessThan(5000);
      expect(server.log().split('audit events are not written')).toHaveLength(2);
    },
  );

  it('of a pipe that nobody reads keeps neither a scrape nor the end waiting', async () => {
    const file = fileNamed('pipe');
    execFileSync('mkfifo', [file]);
    const server = await setting.start(`--audit-log-path=${file}`, '--audit-log-batch-buffer-size=5');
    await stillServes(server);
    expect(await server.stop()).toBe(0);
  });

  it.each(['file', 'pipe'])(
    'goes to standard output where it is asked to, and that is a %s',
    async (kind) => {
      const output = fileNamed(`stdout-${kind}`);
      if (kind === 'pipe') execFileSync('mkfifo', [output]);
      const descriptor = openSync(output, constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK, 0o600);
      const flags = ['--mode=shard', '--bind-address=127.0.0.1', '--secure-port=0', '--audit-log-path=-'];
      const child = spawn(process.execPath, [bin, 'start', ...flags], {
        stdio: ['ignore', descriptor, 'pipe'],
      });
      const exited = once(child, 'exit');
      let log = '';
      child.stderr?.on('data', (data: Buffer) => (log += data.toString()));
      await vi.waitUntil(() => log.includes('"listening"'), soon);
      const client = new RawClient({ port: Number(/"url":"https:[^"]*:(\d+)"/.exec(log)?.[1]) });
      await client.request('/clusters/root/metrics');
      client.close();
      child.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
      const buffer = Buffer.alloc(4096);
      const text = buffer.toString(
        'utf8',
        0,
        readSync(descriptor, buffer, 0, buffer.length, kind === 'pipe' ? null : 0),
      );
      closeSync(descriptor);
      expect(JSON.parse(text)).toMatchObject({ kind: 'Event', requestURI: '/clusters/root/metrics' });
    },
  );

  it('that cannot be written ends the start, before anything listens', async () => {
    const { code, stderr } = await runCli([
      'start',
      '--mode=shard',
      '--bind-address=127.0.0.1',
      '--secure-port=0',
      `--audit-log-path=${setting.directory.path}`,
    ]);
    expect([code, stderr]).toEqual([
      2,
      `--audit-log-path: ${setting.directory.path} cannot be written to: EISDIR\n`,
    ]);
  });
});
