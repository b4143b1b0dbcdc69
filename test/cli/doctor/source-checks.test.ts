import { createServer } from 'node:net';
import { beforeEach, describe, expect, it } from 'vitest';
import { checkApiServerSource, type ServerRole } from '../../../src/cli/doctor/source-checks.js';
import { createAuthority } from '../../support/certificate-authority.js';
import { base64, kubeconfigText } from '../../kubernetes/kubeconfig-text.js';
import { listen } from '../../support/listening.js';
import { temporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.js';
import { saidIn } from './levels.js';
import { binding, role } from './policies.js';
import { secretToken, startPolicyServer, type Answer, type PolicyServer } from './policy-server.js';

const now = Date.now();
const day = 86_400_000;

let directory: TemporaryDirectory;
let server: PolicyServer;
beforeEach(async () => {
  directory = temporaryDirectory();
  server = await startPolicyServer(directory, [
    role('reader', ['get', '/metrics']),
    binding('scrapers', 'reader'),
  ]);
});

const check = (kubeconfig: string, as: ServerRole = 'root', basePath = '/clusters/root') =>
  checkApiServerSource({ role: as, subject: `--root-kubeconfig ${kubeconfig}`, kubeconfig, basePath }, now);

describe('an API server that may be read', () => {
  it('is asked for one object of each kind, and to watch from there', async () => {
    const report = await check(server.kubeconfig());
    expect(report.isReadable).toBe(true);
    expect(report.kubeconfig).toEqual([]);
    expect(saidIn(report.server ?? [])).toEqual([
      expect.stringMatching(
        new RegExp(
          `^ok: ${server.url}/clusters/root lets a token list and watch ClusterRoles and ClusterRoleBindings, and answers in \\d+ ms$`,
        ),
      ),
    ]);
    expect(server.asked).toEqual([
      'list clusterroles',
      'watch clusterroles',
      'list clusterrolebindings',
      'watch clusterrolebindings',
    ]);
  });

  it('may be so although a watch has expired', async () => {
    server.script = (verb) => (verb === 'watch' ? 410 : undefined);
    expect((await check(server.kubeconfig())).isReadable).toBe(true);
  });

  it('leaves no connection behind', async () => {
    await check(server.kubeconfig());
    // A server with open connections would not end.
    await expect(server.close()).resolves.toBeUndefined();
  });

  it.each([
    ['/clusters/root:org', 1],
    ['/clusters/other', 1],
    ['/clusters/root', 0],
    ['', 0],
  ])('at %j is the root workspace, or has %i warning', async (path, count) => {
    const report = await check(server.kubeconfig({ path }), 'root', path);
    const warnings = report.server?.filter(({ level }) => level === 'warning') ?? [];
    expect(saidIn(warnings)).toEqual(
      Array.from({ length: count }, (): unknown =>
        expect.stringMatching(
          /only the root workspace decides who may scrape: use a context whose server ends/,
        ),
      ),
    );
  });
});

describe('an API server that refuses', () => {
  const policyReader = /apply rbac\/api-access\/policy-reader\.yaml there, with this user as its subject$/;
  const rows: readonly (readonly [refused: string, answer: Answer, role: ServerRole, advice: RegExp])[] = [
    ['list clusterroles', 403, 'root', policyReader],
    ['watch clusterroles', 403, 'root', policyReader],
    ['list clusterrolebindings', 403, 'root', policyReader],
    ['watch clusterrolebindings', 403, 'root', policyReader],
    ['list clusterroles', 403, 'cache', /a cache server has no RBAC: .* system:masters$/],
    ['list clusterroles', 403, 'system-admin', /only system:masters may read system:admin: /],
    ['list clusterroles', 401, 'root', /the credentials are not accepted: renew them$/],
    ['list clusterroles', 404, 'root', /there is no such API at this path: /],
    ['list clusterroles', 429, 'root', /the server is busy: try again$/],
    ['list clusterroles', 503, 'root', /the server failed: see its log$/],
    ['list clusterroles', 302, 'root', /this is not an API server with RBAC$/],
  ];
  it.each(rows)('%s with %s, %s', async (refused, answer, as, advice) => {
    server.script = (verb, resource) => (`${verb} ${resource}` === refused ? answer : undefined);
    const report = await check(server.kubeconfig(), as);
    expect(report.isReadable).toBe(false);
    const [verb = '', resource = ''] = refused.split(' ');
    expect(saidIn(report.server ?? [])).toEqual([
      expect.stringMatching(
        new RegExp(
          `^error: ${server.url}/clusters/root: cannot ${verb} ${resource}, ${String(answer)} User "reader" cannot ${refused}: ${advice.source}`,
        ),
      ),
    ]);
  });

  it('everything for one reason is told of once', async () => {
    server.script = (verb) => (verb === 'list' ? 403 : 500);
    const said = saidIn((await check(server.kubeconfig())).server ?? []);
    expect(said).toHaveLength(2);
    expect(said[0]).toMatch(
      /cannot list clusterroles, list clusterrolebindings, 403 User "reader" cannot list /,
    );
    expect(said[1]).toMatch(/cannot watch clusterroles, watch clusterrolebindings, 500 /);
  });

  it('and says nothing that is an API is not readable', async () => {
    server.script = () => 'garbage';
    const report = await check(server.kubeconfig());
    expect(report.isReadable).toBe(false);
    expect(saidIn(report.server ?? [])[0]).toMatch(/^error: .* is no JSON: check that the server runs/);
  });
});

describe('an API server that cannot be reached', () => {
  it('is told of once', async () => {
    const kubeconfig = server.kubeconfig();
    await server.close();
    const report = await check(kubeconfig);
    expect(report.isReadable).toBe(false);
    expect(saidIn(report.server ?? [])).toEqual([
      expect.stringMatching(
        new RegExp(
          `^error: ${server.url}/clusters/root: connection refused \\(ECONNREFUSED\\): check that the server runs, `,
        ),
      ),
    ]);
  });

  it('may be another than its certificate-authority says', async () => {
    const stranger = await createAuthority({ commonName: 'ca' });
    const cluster = { 'certificate-authority-data': base64(stranger.certificatePem) };
    const report = await check(server.kubeconfig({ cluster }));
    expect(saidIn(report.server ?? [])[0]).toMatch(
      /^error: .* the server certificate is not signed by a known/,
    );
    expect(server.asked).toEqual([]);
  });

  it('does not keep anybody waiting for ever', async () => {
    const { port } = await listen(createServer());
    const kubeconfig = directory.write(
      'silent',
      kubeconfigText({ cluster: { server: `https://127.0.0.1:${port}` }, user: { token: secretToken } }),
    );
    const report = await checkApiServerSource(
      { role: 'root', subject: '--root-kubeconfig', kubeconfig, basePath: '', attemptMs: 200 },
      now,
    );
    expect(saidIn(report.server ?? [])).toEqual([expect.stringMatching(/no answer within 200 ms/)]);
  });
});

describe('a kubeconfig', () => {
  it.each([
    ['that is missing', undefined, /^error: cannot be read: ENOENT$/],
    ['that is no YAML', `token: "${secretToken}`, /^error: line 1: is not YAML: missing char$/],
    ['without context', '{}', /^error: line 1: current-context is missing$/],
  ])('%s ends a start', async (_, text, said) => {
    const file = text === undefined ? `${directory.path}/missing` : directory.write('kubeconfig', text);
    const report = await check(file);
    expect(report.server).toBeUndefined();
    expect(report.isReadable).toBe(false);
    expect(saidIn(report.kubeconfig)).toEqual([expect.stringMatching(said)]);
    expect(JSON.stringify(report)).not.toContain(secretToken);
  });

  it('without credentials, or without knowing its server, is doubtful', async () => {
    const cluster = { 'insecure-skip-tls-verify': true };
    const report = await check(server.kubeconfig({ cluster, user: { as: 'reader' } }));
    expect(saidIn(report.kubeconfig)).toEqual([
      expect.stringMatching(
        /^warning: insecure-skip-tls-verify lets a man in the middle decide who may scrape/,
      ),
      expect.stringMatching(/^warning: has no credentials/),
    ]);
  });

  const certificates: readonly (readonly [days: number, said: RegExp | undefined])[] = [
    [365, undefined],
    [12, /^warning: its client certificate "CN=reader" expires in 11 days, on \S+: renew it$/],
    [-2, /^error: its client certificate "CN=reader" expired 2 days ago, on \S+: renew it$/],
  ];
  it.each(certificates)('with a client certificate that is valid for %i days', async (days, said) => {
    const pair = await server.authority.issue({
      commonName: 'reader',
      usage: 'clientAuth',
      notBefore: new Date(now - 90 * day),
      notAfter: new Date(now + days * day),
    });
    const user = {
      'client-certificate-data': base64(pair.certificatePem),
      'client-key-data': base64(pair.privateKeyPem),
    };
    const report = await check(server.kubeconfig({ user }));
    expect(saidIn(report.kubeconfig)).toEqual(said === undefined ? [] : [expect.stringMatching(said)]);
    expect(saidIn(report.server ?? [])[0]).toMatch(/ lets client certificate "CN=reader" list and watch /);
    expect(JSON.stringify(report)).not.toContain(pair.privateKeyPem.split('\n')[1]);
  });
});
