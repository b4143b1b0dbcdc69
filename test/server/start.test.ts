import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { renameSync, symlinkSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  clientCertificateAuthenticator,
  createCertificateVerifier,
  type CertificateVerifier,
} from '../../src/index.js';
import { startServer, type RunningServer } from '../../src/server-exports.js';
import { createAuthority, type IssuedCertificate } from '../support/certificate-authority.js';
import { localAuthority } from '../support/local-authority.js';
import { filterOptions } from '../support/filter.js';
import { keyPairOf, RawClient, type RawAnswer } from '../support/raw-tls.js';
import { createRecordedPki, type RecordedPki } from '../support/recorded-pki.js';
import { recordedBinding } from '../support/recorded-servers.js';
import { startCli, startProcess, type StartedServer } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { words } from '../support/words.js';

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

describe('start', () => {
  const directory = temporaryDirectory();
  let pki: RecordedPki;
  beforeAll(async () => {
    pki = await createRecordedPki(directory);
  });

  const startShard = (...flags: readonly string[]): Promise<StartedServer> =>
    startCli(['--mode=shard', ...pki.flags, ...flags]);
  function clientOf(server: StartedServer, certificate?: string): RawClient {
    const pair = certificate === undefined ? undefined : pki.certificates[certificate];
    return new RawClient({ port: server.port, ...keyPairOf(pair) });
  }
  async function until(
    client: RawClient,
    isReached: (answer: RawAnswer) => boolean,
    target = '/metrics',
  ): Promise<RawAnswer> {
    const deadline = Date.now() + 10_000;
    for (;;) {
      const answer = await client.request(target);
      if (isReached(answer)) return answer;
      if (Date.now() > deadline) throw new Error(`not reached; last ${answer.status} ${answer.body}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  it('serves its own and the process metrics to whoever is granted them', async () => {
    const policy = temporaryDirectory();
    policy.write('binding.yaml', recordedBinding);
    const server = await startShard(`--rbac-dir=${policy.path}`);
    const { status, body } = await clientOf(server, 'prometheus').request('/metrics');
    expect(status).toBe(200);
    for (const name of [
      'process_cpu_seconds_total',
      'authentication_attempts',
      'kcp_metrics_filter_policy_state',
    ]) {
      expect(body).toContain(`# TYPE ${name} `);
    }
  });

  it('serves the results of its health checks at /metrics/slis where it is told to, to whoever may read that path', async () => {
    const server = await startShard('--component-slis');
    await clientOf(server).request('/readyz');
    const masters = await clientOf(server, 'masters').request('/metrics/slis');
    expect(masters.body).toContain('kubernetes_healthcheck{name="shutdown",type="readyz"} 1\n');
    expect(masters.body).toContain(
      'kubernetes_healthchecks_total{name="ping",type="readyz",status="success"} 1\n',
    );
    expect(masters.body).not.toContain('process_cpu');
    const others = await Promise.all([
      clientOf(server, 'prometheus').request('/metrics/slis'),
      clientOf(server, 'masters').request('/clusters/root/metrics/slis'),
    ]);
    expect(others.map(({ status }) => status)).toEqual([403, 501]);
  });

  it('lists the checks of /readyz and /livez as kubernetes does', async () => {
    const server = await startShard();
    const client = clientOf(server);
    expect((await client.request('/readyz?verbose')).body).toBe(
      '[+]ping ok\n[+]policy-bootstrap ok\n[+]policy-staleness ok\n[+]shutdown ok\nreadyz check passed\n',
    );
    expect((await client.request('/livez?verbose')).body).toBe('[+]ping ok\nlivez check passed\n');
    expect((await client.request('/readyz?verbose&exclude=ping&exclude=shutdown')).body).toBe(
      '[+]ping excluded: ok\n[+]policy-bootstrap ok\n[+]policy-staleness ok\n[+]shutdown excluded: ok\nreadyz check passed\n',
    );
    expect((await client.request('/clusters/root/readyz')).body).toBe('ok');
    const masters = clientOf(server, 'masters');
    expect(
      [await masters.request('/livez/ping'), await masters.request('/readyz/nope')].map(
        ({ status }) => status,
      ),
    ).toEqual([200, 404]);
  });

  it('follows a changed, a broken and a mended policy, and a swapped ConfigMap', async () => {
    const policy = temporaryDirectory();
    const mount = (version: string, binding: string): void => {
      mkdirSync(join(policy.path, version));
      writeFileSync(join(policy.path, version, 'binding.yaml'), binding);
      symlinkSync(version, join(policy.path, '..data_tmp'));
      renameSync(join(policy.path, '..data_tmp'), join(policy.path, '..data'));
    };
    mount('..1', recordedBinding);
    symlinkSync('..data/binding.yaml', join(policy.path, 'binding.yaml'));
    const server = await startShard(`--rbac-dir=${policy.path}`);
    const client = clientOf(server, 'prometheus');
    expect((await client.request('/metrics')).status).toBe(200);
    mount('..2', recordedBinding.replace('name: prometheus', 'name: somebody-else'));
    await until(client, ({ status }) => status === 403);
    mount('..3', 'kind: ClusterRoleBinding\nmetadata: [');
    await until(client, ({ body }) => body.includes('policy-directory ok (stale'), '/readyz?verbose');
    expect(server.log()).toMatch(/binding\.yaml:\d+: /);
    expect((await client.request('/readyz')).status).toBe(200);
    mount('..4', recordedBinding);
    const { body } = await until(client, ({ status }) => status === 200);
    expect(body).toContain('kcp_metrics_filter_policy_reloads_total{source="directory",result="failure"} 1');
  });

  it('fails closed when a stale policy has become older than --max-policy-staleness', async () => {
    const policy = temporaryDirectory();
    policy.write('binding.yaml', recordedBinding);
    const server = await startShard(`--rbac-dir=${policy.path}`, '--max-policy-staleness=200ms');
    const client = clientOf(server, 'prometheus');
    expect((await client.request('/metrics')).status).toBe(200);
    policy.write('binding.yaml', '{');
    const refused = await until(client, ({ status }) => status === 503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await client.request('/readyz')).status).toBe(500);
    policy.write('binding.yaml', recordedBinding);
    await until(client, ({ status }) => status === 200);
  });

  it('is not ready, but serves what root grants, while the policy of the workspaces is too old', async () => {
    const [policy, workspaces] = [temporaryDirectory(), temporaryDirectory()];
    policy.write('binding.yaml', recordedBinding);
    const server = await startShard(
      ...[`--rbac-dir=${policy.path}`, '--max-policy-staleness=200ms'],
      ...['--workspace-metrics', `--workspace-rbac-dir=${workspaces.path}`],
    );
    const client = clientOf(server, 'prometheus');
    expect((await client.request('/readyz')).status).toBe(200);
    workspaces.write('workspace.yaml', '{');
    await until(client, ({ status }) => status === 503, '/clusters/unknown/metrics');
    const { body } = await client.request('/readyz?verbose');
    expect(body).toMatch(/^\[\+\]policy-workspaces ok \(stale for \d+s: .*\n\[-\]policy-staleness failed/m);
    expect((await client.request('/metrics')).status).toBe(200);
  });

  it('names a binding to a missing role by file and line', async () => {
    const policy = temporaryDirectory();
    policy.write(
      'binding.yaml',
      recordedBinding.replace('system:kcp:metrics-reader', 'system:kcp:metrics-raeder'),
    );
    const server = await startShard(`--rbac-dir=${policy.path}`);
    expect(server.log()).toMatch(
      /binding\.yaml:\d+: ClusterRoleBinding \\"pmr\\" names ClusterRole \\"system:kcp:metrics-raeder\\", which does not exist/,
    );
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('stops on %s with exit code 0', async (signal) => {
    const server = await startProcess(['--mode=shard', ...pki.flags]);
    // An idle keep-alive connection must not hold it up.
    await clientOf(server).request('/livez');
    expect(await server.stop(signal)).toBe(0);
  });

  it('speaks TLS 1.2 and 1.3, or 1.3 alone when told so, with the suites it was given', async () => {
    const both = await startShard('--tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256');
    const modern = await startShard('--tls-min-version=VersionTLS13');
    const status = async (port: number, options: object): Promise<number | string> => {
      const client = new RawClient({ port, ...options });
      return client.request('/livez').then(
        (answer) => answer.status,
        () => 'refused',
      );
    };
    expect(await status(both.port, { maxVersion: 'TLSv1.2' })).toBe(200);
    expect(await status(both.port, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' })).toBe(
      'refused',
    );
    expect(await status(modern.port, { maxVersion: 'TLSv1.2' })).toBe('refused');
    expect(await status(modern.port, {})).toBe(200);
    expect(await status(both.port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' })).toBe('refused');
  });

  it('serves with --allow-paths what a glob matches, and health, and nothing else', async () => {
    const server = await startShard('--allow-paths=/metr*,/version/**');
    const client = clientOf(server, 'masters');
    const statuses: number[] = [];
    for (const target of words('/metrics /livez /livez/ping /metrics/slis /nope /metrics?a=/nope')) {
      statuses.push((await client.request(target)).status);
    }
    expect(statuses).toEqual([200, 200, 200, 404, 404, 200]);
    expect((await client.request('/clusters/root/metrics')).status).toBe(501);
    expect((await clientOf(server).request('/nope')).status).toBe(404);
  });

  it('serves with a self-signed certificate when it is given none, and says so', async () => {
    const server = await startCli(['--mode=cache-server']);
    expect((await clientOf(server).request('/livez')).status).toBe(200);
    expect(server.log()).toContain('self-signed');
  });

  it('writes no header, token or key to its log, even at debug', async () => {
    const tokens = directory.write('tokens.csv', 'very-secret-token,alice,1\n');
    const server = await startShard(`--token-auth-file=${tokens}`, '--log-level=debug');
    const client = clientOf(server);
    await client.request('/metrics?token=very-secret-query', {
      headers: { Authorization: 'Bearer very-secret-token' },
    });
    await client.request('/metrics', {
      headers: { Authorization: 'Bearer very-secret-bad-token', Cookie: 'very-secret-cookie' },
    });
    await client.request('/metrics', { headers: { 'X-Remote-User': 'very-secret-spoof' } });
    // The last line is written when its answer is out, which the client may see first.
    client.close();
    await server.stop();
    expect(server.log().match(/"msg":"request"/g)).toHaveLength(3);
    expect(server.log()).toContain('alice');
    expect(server.log()).not.toContain('very-secret');
  });
});

describe('startServer', () => {
  const startFor = (verifier: CertificateVerifier, serving: IssuedCertificate): Promise<RunningServer> =>
    startServer({
      ...filterOptions({ authenticators: [clientCertificateAuthenticator({ verifier })] }),
      tls: {
        certificate: serving.certificatePem,
        privateKey: serving.privateKeyPem,
        requestCertificates: true,
      },
      logger: silent,
    });

  it('accepts a certificate that an intermediate authority of the client signed', async () => {
    const root = await createAuthority({ commonName: 'client-ca' });
    const intermediate = await root.issueAuthority({ commonName: 'team-ca' });
    const serving = await root.issue({ commonName: 'localhost', usage: 'serverAuth' });
    const client = await intermediate.issue({ commonName: 'scraper', usage: 'clientAuth' });
    const verifier = createCertificateVerifier({ authorities: root.certificatePem });
    const server = await startFor(verifier, serving);
    const connection = new RawClient({
      port: server.port,
      cert: client.certificatePem + intermediate.certificatePem,
      key: client.privateKeyPem,
    });
    expect((await connection.request('/metrics')).status).toBe(200);
    await server.close();
  });

  it('refuses a certificate from the moment it expires, on a connection that stays open', async () => {
    const { authority, serving } = await localAuthority();
    const client = await authority.issue({ commonName: 'scraper', usage: 'clientAuth' });
    let now = Date.now();
    const verifier = createCertificateVerifier({ authorities: authority.certificatePem, now: () => now });
    const server = await startFor(verifier, serving);
    const connection = new RawClient({
      port: server.port,
      cert: client.certificatePem,
      key: client.privateKeyPem,
    });
    expect((await connection.request('/metrics')).status).toBe(200);
    now += 400 * 24 * 3_600_000;
    expect((await connection.request('/metrics')).status).toBe(401);
    await server.close();
  });

  it('lets a scrape under way finish when it is closed, then refuses new connections', async () => {
    const { serving } = await localAuthority();
    let begun: () => void = () => undefined;
    let finish: (body: string) => void = () => undefined;
    const hasBegun = new Promise<void>((resolve) => (begun = resolve));
    const body = new Promise<string>((resolve) => (finish = resolve));
    const contentType = Registry.PROMETHEUS_CONTENT_TYPE;
    const server = await startServer({
      ...filterOptions({
        exposition: {
          contentType: () => contentType,
          render: async () => {
            begun();
            return { contentType, body: await body };
          },
        },
      }),
      tls: { certificate: serving.certificatePem, privateKey: serving.privateKeyPem },
      logger: silent,
    });
    const client = new RawClient({ port: server.port });
    const scrape = client.request('/metrics', { headers: { Authorization: 'Bearer scraper-token' } });
    await hasBegun;
    const closed = server.close();
    expect(server.close()).toBe(closed);
    await expect(
      new Promise((resolve, reject) => {
        connectTcp(server.port, '127.0.0.1').once('connect', resolve).once('error', reject);
      }),
    ).rejects.toThrow('ECONNREFUSED');
    finish('late 1\n');
    const answer = await scrape;
    expect([answer.status, answer.body]).toEqual([200, 'late 1\n']);
    await closed;
  });

  describe('with clients that are slow or silent', () => {
    const contentType = Registry.PROMETHEUS_CONTENT_TYPE;
    const large = 'a 1\n'.repeat(5_000_000);
    async function startLarge(overrides: Partial<Parameters<typeof startServer>[0]>) {
      const { serving } = await localAuthority();
      return startServer({
        ...filterOptions({
          exposition: {
            contentType: () => contentType,
            render: () => Promise.resolve({ contentType, body: large }),
          },
        }),
        tls: { certificate: serving.certificatePem, privateKey: serving.privateKeyPem },
        logger: silent,
        ...overrides,
      });
    }
    const scrape = 'GET /metrics HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer scraper-token\r\n\r\n';
    async function connected(port: number): Promise<TLSSocket> {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
      socket.on('error', () => undefined);
      await once(socket, 'secureConnect');
      return socket;
    }

    it('an answer under way comes whole, also when its reader is slow', async () => {
      const server = await startLarge({});
      const socket = await connected(server.port);
      socket.write(scrape);
      let received = 0;
      const ended = new Promise((resolve) => socket.once('close', resolve));
      const begun = new Promise<void>((resolve) => {
        socket.on('data', (data: Buffer) => {
          received += data.length;
          socket.pause();
          setTimeout(() => socket.resume(), 1);
          resolve();
        });
      });
      await begun;
      await server.close();
      await ended;
      expect(received).toBeGreaterThan(large.length);
    });

    it('one that says nothing does not hold up the end', async () => {
      const server = await startLarge({ shutdownTimeoutMs: 60_000 });
      const silentTls = await connected(server.port);
      const half = await connected(server.port);
      half.write('GET /metr');
      const bare = connectTcp(server.port, '127.0.0.1').on('error', () => undefined);
      await once(bare, 'connect');
      const closed = [silentTls, half, bare].map((socket) => once(socket, 'close'));
      await server.close();
      await Promise.all(closed);
      expect(silentTls.destroyed && half.destroyed && bare.destroyed).toBe(true);
    });

    it('one that does not read is cut off', async () => {
      let cutOff: () => void = () => undefined;
      const isCutOff = new Promise<void>((resolve) => (cutOff = resolve));
      const server = await startLarge({
        stallTimeoutMs: 300,
        onAuditEvent: () => {
          cutOff();
        },
      });
      const socket = await connected(server.port);
      socket.pause();
      socket.write(scrape);
      await expect(isCutOff).resolves.toBeUndefined();
      socket.destroy();
      await server.close();
    });
  });
});
