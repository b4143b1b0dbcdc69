import { describe, expect, it } from 'vitest';
import { bearerTokenAuthenticator } from '../../src/authentication/tokens/token-file.js';
import { alwaysAllowGroups, type Maintenance } from '../../src/index.js';
import type { ServerOptions } from '../../src/server-exports.js';
import { startLimited } from './limited-server.js';

const everybody: Maintenance = { kind: 'everybody' };
const named = (users: readonly string[], groups: readonly string[] = []): Maintenance => ({
  kind: 'some',
  users: new Set(users),
  groups: new Set(groups),
});

async function inMaintenance(current: Maintenance, options: Partial<ServerOptions> = {}) {
  const maintenance = { current };
  const server = await startLimited({ maintenance, ...options });
  return { maintenance, server };
}

describe('maintenance', () => {
  it('answers scrapes 503 as Kubernetes does', async () => {
    const { server } = await inMaintenance(everybody);
    const answer = await server.scrape('scraper-token');
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '30']);
    expect(JSON.parse(answer.body)).toMatchObject({
      kind: 'Status',
      reason: 'ServiceUnavailable',
      message: 'metrics are not served during maintenance',
      code: 503,
    });
    expect(await server.metric('kcp_metrics_filter_maintenance_refused_scrapes_total')).toBe(1);
  });

  it.each([
    ['wrong', 401],
    ['mallory-token', 403],
    ['', 403],
  ])('tells nobody who may not scrape anyway: token "%s" is answered %i', async (token, status) => {
    const { maintenance, server } = await inMaintenance(everybody);
    const during = await server.scrape(token);
    maintenance.current = { kind: 'nobody' };
    const after = await server.scrape(token);
    expect([during.status, after.status]).toEqual([status, status]);
    expect(during.body).toBe(after.body);
    expect([...during.headers.keys()]).toEqual([...after.headers.keys()]);
  });

  it.each(['/livez', '/readyz', '/healthz', '/readyz?verbose', '/clusters/root/readyz'])(
    'leaves %s green',
    async (target) => {
      const { server } = await inMaintenance(everybody);
      expect((await server.scrape('', '127.0.0.1', target)).status).toBe(200);
    },
  );

  it('leaves other paths as they are', async () => {
    const { server } = await inMaintenance(everybody);
    const answers = await Promise.all(
      ['/nope', '/clusters/root/metrics', '//metrics'].map((target) =>
        server.scrape('admin-token', '127.0.0.1', target),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([404, 501, 307]);
  });

  it.each([
    ['a user', named(['scraper']), 503, 200],
    ['a group', named([], ['system:masters']), 200, 503],
    ['one that all are in', named([], ['system:authenticated']), 503, 503],
    ['both', named(['scraper'], ['system:masters']), 503, 503],
    ['somebody else', named(['nobody'], ['none']), 200, 200],
    ['a user by his group’s name', named(['system:masters'], ['scraper']), 200, 200],
  ])('of %s concerns whom it names', async (_, current, scraper, admin) => {
    const { server } = await inMaintenance(current);
    expect((await server.scrape('scraper-token')).status).toBe(scraper);
    expect((await server.scrape('admin-token')).status).toBe(admin);
  });

  it.each([
    ['by its own name', named(['system:serviceaccount:ns:bob']), 503, 200],
    ['by its name elsewhere', named(['system:kcp:serviceaccount:root:ns:bob']), 503, 200],
    ['by a group', named([], ['system:serviceaccounts:ns']), 503, 200],
    ['of another workspace', named(['system:kcp:serviceaccount:org:ns:bob']), 200, 503],
    ['of both', named([], ['monitoring']), 503, 503],
  ])('of a service account, %s, concerns none of another workspace', async (_, current, ofRoot, ofOrg) => {
    const account = (token: string, cluster: string) => ({
      token,
      user: 'system:serviceaccount:ns:bob',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'monitoring'],
      extra: { 'authentication.kcp.io/cluster-name': [cluster] },
    });
    const authenticators = [bearerTokenAuthenticator([account('root', 'root'), account('org', 'org')])];
    const authorizers = [alwaysAllowGroups(['monitoring'])];
    const { server } = await inMaintenance(current, { authenticators, authorizers });
    expect((await server.scrape('root')).status).toBe(ofRoot);
    expect((await server.scrape('org')).status).toBe(ofOrg);
  });

  it('concerns everybody on a path that is always allowed, and nobody there by his name', async () => {
    const alwaysAllowPaths = ['/metrics'];
    const all = await inMaintenance(everybody, { alwaysAllowPaths });
    expect((await all.server.scrape('scraper-token')).status).toBe(503);
    const some = await inMaintenance(named(['scraper']), { alwaysAllowPaths });
    expect((await some.server.scrape('scraper-token')).status).toBe(200);
  });

  it('begins and ends with the next scrape', async () => {
    const { maintenance, server } = await inMaintenance({ kind: 'nobody' });
    const found: number[] = [];
    for (const current of [{ kind: 'nobody' }, everybody, { kind: 'nobody' }] as const) {
      maintenance.current = current;
      found.push((await server.scrape('scraper-token')).status);
    }
    expect(found).toEqual([200, 503, 200]);
  });

  it('is audited as what was allowed and refused', async () => {
    const { server } = await inMaintenance(everybody);
    await server.scrape('scraper-token');
    await server.server.close();
    expect(server.events).toMatchObject([
      {
        code: 503,
        identity: { name: 'scraper' },
        failure: { reason: 'ServiceUnavailable' },
        annotations: {
          'authorization.k8s.io/decision': 'allow',
          'shardpaths.kcp.io/rejected': 'maintenance',
        },
      },
    ]);
  });
});
