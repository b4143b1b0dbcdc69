import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ConnectionOptions, SecureVersion } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { keyPairOf, RawClient, requestOnce } from '../support/raw-tls.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { delegatingControlPlane, type DelegatingControlPlane } from './delegating-control-plane.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { scrapePolicy } from './scrape-policy.js';

const application = 'application_requests_total 3\n';

/**
 * The cases of kube-rbac-proxy's own test/e2e, by their names there. Its pods are processes here, and its Prometheus
 * example application is a server that counts. Not here: what has no meaning for one path of metrics (rewrites, resource
 * attributes), HTTP/2, and paths beside /metrics.
 */
onControlPlane(kubeApiserver, "kube-rbac-proxy's cases", (start) => {
  let delegating: DelegatingControlPlane;
  let upstream: Server;
  /** What the application was sent. */
  const received: IncomingHttpHeaders[] = [];
  let filter: FilterUnderTest;
  /** Of a client that may scrape, and of one that may not. */
  let token: string;
  let strangerToken: string;
  beforeAll(async () => {
    upstream = createServer((request, response) => {
      received.push(request.headers);
      response.setHeader('Content-Type', 'text/plain; version=0.0.4; charset=utf-8').end(application);
    }).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    delegating = await delegatingControlPlane(await start());
    const { accounts, controlPlane, prometheus, stranger } = delegating;
    token = await accounts.requestToken(prometheus);
    strangerToken = await accounts.requestToken(stranger);
    await controlPlane.clusterRoleBindings.create({
      name: 'certificate-client',
      role: 'reader',
      subjects: [{ kind: 'User', name: 'kube-rbac-proxy-client' }],
    });
    filter = await FilterUnderTest.start(undefined, flagsWith());
  });
  afterAll(async () => {
    await filter.stop();
    upstream.close();
    await once(upstream, 'close');
  });

  const flagsWith = (...more: readonly string[]): readonly string[] => {
    const { port } = upstream.address() as AddressInfo;
    const { kubeconfig } = delegating;
    return [
      `--upstream=http://127.0.0.1:${port}/metrics`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      ...more,
    ];
  };
  const startFilter = (...more: readonly string[]): Promise<FilterUnderTest> =>
    FilterUnderTest.start(undefined, flagsWith(...more));
  const answerTo = (connection: ConnectionOptions, bearerToken?: string) => {
    const headers = bearerToken === undefined ? {} : { Authorization: `Bearer ${bearerToken}` };
    return requestOnce({ port: filter.port, ...connection }, '/metrics', { headers });
  };

  describe('Basics', () => {
    it('NoRBAC', async () => {
      expect(await filter.statusForToken(strangerToken)).toBe(403);
    });

    it('WithRBAC', async () => {
      expect(await answerTo({}, token)).toMatchObject({ status: 200, body: application });
      // The application needs no token, and could use this one elsewhere.
      expect(received.at(-1)).not.toHaveProperty('authorization');
    });
  });

  describe('ClientCertificates', () => {
    it('NoRBAC', async () => {
      expect(await answerTo(await filter.connectionOf('somebody'))).toMatchObject({ status: 403 });
    });

    it('WithRBAC', async () => {
      const connection = await filter.connectionOf('kube-rbac-proxy-client');
      expect(await answerTo(connection)).toMatchObject({ status: 200, body: application });
    });

    it('WrongCA', async () => {
      const authority = await createAuthority({ commonName: 'wrong-ca' });
      const certificate = await authority.issue({
        commonName: 'kube-rbac-proxy-client',
        usage: 'clientAuth',
      });
      expect(await answerTo(keyPairOf(certificate))).toMatchObject({ status: 401 });
    });
  });

  describe('TokenAudience', () => {
    it.each([
      ['IncorrectAudience', 'wrong-audience', 401],
      ['CorrectAudience', 'kube-rbac-proxy', 200],
    ])('%s', async (_name, audience, status) => {
      const { accounts, prometheus } = delegating;
      // Its --auth-token-audiences.
      const ofAudience = await startFilter('--api-audiences=kube-rbac-proxy');
      const requested = await accounts.requestToken(prometheus, { audiences: [audience] });
      expect(await ofAudience.statusForToken(requested)).toBe(status);
    });
  });

  describe('AllowPath', () => {
    it('WithPathhNotAllowed, WithPathAllowed', async () => {
      const allowing = await startFilter('--allow-paths=/metrics');
      expect(await allowing.statusForToken(token, '/')).toBe(404);
      expect(await allowing.statusForToken(token, '/api/v1/label/name')).toBe(404);
      expect(await allowing.statusForToken(token, '/metrics')).toBe(200);
    });

    it('leaves who is allowed to others', async () => {
      const allowing = await startFilter('--allow-paths=/met*,/nothing');
      expect(await allowing.statusForToken(strangerToken, '/metrics')).toBe(403);
      expect(await allowing.statusForToken(token, '/metrics/filter')).toBe(404);
    });
  });

  describe('IgnorePath', () => {
    it('WithIgnorePathMatch, WithIgnorePathNoMatch', async () => {
      const ignoring = await startFilter('--ignore-paths=/metrics,/api/v1/labels', '--anonymous-auth=false');
      const client = new RawClient({ port: ignoring.port });
      const statusOf = async (path: string): Promise<number> => (await client.request(path)).status;
      expect(await statusOf('/metrics')).toBe(200);
      expect(await statusOf('/healthz')).toBe(200);
      expect(await statusOf('/')).toBe(401);
      expect(await statusOf('/metrics/filter')).toBe(401);
      expect(await statusOf('/api/v1/label/job/values')).toBe(401);
      // Its upstream serves this one; nothing does here, so nobody learns of it.
      expect(await statusOf('/api/v1/labels')).toBe(401);
      expect(await statusOf('/clusters/root/metrics')).toBe(501);
      expect(await statusOf('//metrics')).toBe(307);
    });

    it.each([
      ['/metrics/*', '/metrics/filter', 200],
      ['/metrics/*', '/metrics', 401],
      ['/*', '/metrics', 200],
      ['/*', '/metrics/filter', 401],
    ])('%s: %s is answered %i', async (glob, path, status) => {
      const ignoring = await startFilter(`--ignore-paths=${glob}`, '--anonymous-auth=false');
      expect((await requestOnce({ port: ignoring.port }, path)).status).toBe(status);
    });
  });

  describe('IdentityHeaders', () => {
    const spoofed = { 'X-Remote-User': 'system:admin', 'X-Remote-Groups': 'system:masters' };
    const scrapeAs = async (asked: FilterUnderTest, headers: Readonly<Record<string, string>>) => {
      const sent = { ...spoofed, ...headers };
      const { status } = await requestOnce({ port: asked.port }, '/metrics', { headers: sent });
      return { status, ...(status === 200 ? { told: received.at(-1) } : {}) };
    };

    it('With x-remote-user', async () => {
      const telling = await startFilter('--auth-header-fields-enabled');
      expect(await scrapeAs(telling, { Authorization: `Bearer ${token}` })).toMatchObject({
        status: 200,
        told: {
          'x-remote-user': 'system:serviceaccount:monitoring:prometheus',
          'x-remote-groups': 'system:serviceaccounts|system:serviceaccounts:monitoring|system:authenticated',
        },
      });
    });

    it('under other names', async () => {
      const telling = await startFilter(
        '--auth-header-fields-enabled',
        '--auth-header-user-field-name=x-user',
        '--auth-header-groups-field-name=x-groups',
        '--auth-header-groups-field-separator=;',
      );
      const { told } = await scrapeAs(telling, { Authorization: `Bearer ${token}` });
      expect(told).toMatchObject({
        'x-user': 'system:serviceaccount:monitoring:prometheus',
        'x-groups': 'system:serviceaccounts;system:serviceaccounts:monitoring;system:authenticated',
      });
      expect(told).not.toHaveProperty('x-remote-user');
    });

    it('without the flag, nothing of it: neither who he is, nor what he says', async () => {
      const { told } = await scrapeAs(filter, { Authorization: `Bearer ${token}` });
      expect(told).toBeDefined();
      expect(Object.keys(told ?? {}).filter((name) => name.startsWith('x-remote'))).toEqual([]);
    });

    it('and an ignored path: nobody was asked who he is, so nobody is named', async () => {
      const telling = await startFilter('--auth-header-fields-enabled', '--ignore-paths=/metrics');
      const { status, told } = await scrapeAs(telling, {});
      expect(status).toBe(200);
      expect(Object.keys(told ?? {}).filter((name) => name.startsWith('x-remote'))).toEqual([]);
    });

    it('With http on no loopback', async () => {
      await expect(
        FilterUnderTest.start(undefined, [
          '--upstream=http://app.example.org/metrics',
          `--authentication-kubeconfig=${delegating.kubeconfig}`,
          `--authorization-kubeconfig=${delegating.kubeconfig}`,
          '--auth-header-fields-enabled',
        ]),
      ).rejects.toThrow(/--auth-header-fields-enabled: needs an --upstream on a loopback address/);
    });
  });

  it('H1Upstream: one connection carries one scrape after the other, in HTTP/1.1', async () => {
    const versions: string[] = [];
    const connections = new Set<unknown>();
    const note = (request: IncomingMessage): void => {
      versions.push(request.httpVersion);
      connections.add(request.socket);
    };
    upstream.on('request', note);
    const h1 = await startFilter();
    for (let count = 0; count < 5; count += 1) expect(await h1.statusForToken(token)).toBe(200);
    upstream.off('request', note);
    expect(versions).toEqual(['1.1', '1.1', '1.1', '1.1', '1.1']);
    expect(connections.size).toBe(1);
  });

  describe('TLS', () => {
    const versions: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];
    it.each(versions)('a client that takes %s and above', async (minVersion) => {
      // OpenSSL takes no older one while its security level is above 0.
      const connection = { minVersion, ciphers: 'DEFAULT@SECLEVEL=0' };
      expect(await answerTo(connection, token)).toMatchObject({ status: 200 });
    });

    it.each(versions.slice(0, 2))('a client that knows nothing above %s', async (maxVersion) => {
      const connection = { minVersion: 'TLSv1' as const, maxVersion, ciphers: 'DEFAULT@SECLEVEL=0' };
      await expect(answerTo(connection, token)).rejects.toThrow();
    });

    it('a client that knows less than the flag says', async () => {
      const strict = await startFilter('--tls-min-version=VersionTLS13');
      const connection = { port: strict.port, maxVersion: 'TLSv1.2' as const };
      await expect(answerTo(connection, token)).rejects.toThrow();
      expect(await answerTo({ port: strict.port }, token)).toMatchObject({ status: 200 });
    });
  });

  describe('StaticAuthorizer', () => {
    it.each([
      ['should grant permission to the /metrics endpoint, if matching', '/metrics', 200],
      ['should not grant permission, if not matching', '/forbidden', 403],
    ])('%s', async (_name, path, status) => {
      const directory = temporaryDirectory();
      directory.write(
        'static.json',
        scrapePolicy([{ kind: 'ServiceAccount', namespace: 'monitoring', name: 'stranger' }]),
      );
      // Known by the manifest alone: on the server a stranger may get nothing.
      const withManifest = await startFilter(`--rbac-dir=${directory.path}`);
      expect(await withManifest.statusForToken(strangerToken, path)).toBe(status);
    });
  });

  it('TokenMasking', async () => {
    const verbose = await startFilter('--log-level=debug');
    expect(await verbose.statusForToken(token)).toBe(200);
    expect(await verbose.statusForToken(strangerToken)).toBe(403);
    expect(await verbose.statusForToken(`${token}x`)).toBe(401);
    expect(verbose.log()).toContain('/metrics');
    for (const secret of [token, strangerToken]) {
      // Nor its claims, or its signature.
      for (const part of secret.split('.').slice(1)) expect(verbose.log()).not.toContain(part);
    }
  });
});
