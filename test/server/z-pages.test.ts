import { describe, expect, it } from 'vitest';
import { startLimited } from './limited-server.js';

const admin = 'admin-token';

describe('the ready server', () => {
  it('has no pages of its own unless it is told to', async () => {
    const server = await startLimited({});
    for (const path of ['/', '/statusz', '/flagz']) {
      expect((await server.scrape(admin, '127.0.0.1', path)).status).toBe(404);
    }
  });

  it('tells of its parts, and of what it refused and why, without names and addresses', async () => {
    const server = await startLimited({ zPages: { flags: [{ name: 'mode', value: 'shard' }] } });
    await server.scrape('mallory-token');
    await server.scrape('no-such-token');
    await server.scrape(admin, '127.0.0.1', '/clusters/root:secret-workspace/metrics');
    const { status, body } = await server.scrape(admin, '127.0.0.1', '/statusz');
    expect(status).toBe(200);
    expect(body).toMatch(/^\nkcp-metrics-filter statusz\nWarning: /);
    expect(body).toMatch(/Authenticators\n {2}1\. token-file\n\nAuthorizers\n {2}1\. AlwaysAllowGroups\n/);
    expect(body).toMatch(/^ {2}metrics below a scope +501 +1 /m);
    expect(body).toMatch(/^ {2}token-file: unknown token +401 +1 /m);
    expect(body).toMatch(/^ {2}forbidden +403 +1 /m);
    expect(body).not.toMatch(/mallory|secret-workspace|127\.0\.0\.1|root-admin/);
    expect((await server.scrape(admin, '127.0.0.1', '/flagz')).body).toMatch(/\n\nmode=shard\n$/);
  });

  it('serves each page by its own path in RBAC, and never below a scope', async () => {
    const server = await startLimited({ zPages: {} });
    const codes = await Promise.all(
      [
        ['scraper-token', '/statusz'],
        ['scraper-token', '/metrics'],
        ['', '/statusz'],
        [admin, '/flagz'],
        [admin, '/clusters/root/statusz'],
        [admin, '/clusters/root'],
        [admin, '//statusz'],
        [admin, '/clusters/root//statusz'],
      ].map(async ([token = '', path]) => (await server.scrape(token, '127.0.0.1', path)).status),
    );
    expect(codes).toEqual([403, 200, 403, 404, 403, 403, 307, 400]);
  });

  it('serves them on a cache server without a shard, and not below one', async () => {
    const server = await startLimited({ serverKind: 'cache-server', zPages: {} });
    const codes = await Promise.all(
      ['/statusz', '/', '/shards/one/statusz', '/shards/one/clusters/root/statusz', '/other'].map(
        async (path) => (await server.scrape(admin, '127.0.0.1', path)).status,
      ),
    );
    expect(codes).toEqual([200, 200, 403, 403, 400]);
    expect((await server.scrape(admin, '127.0.0.1', '/')).body).toContain('"/version"');
  });

  it('lists the paths it answers, and answers each', async () => {
    const server = await startLimited({ zPages: { flags: [] } });
    const { body } = await server.scrape(admin, '127.0.0.1', '/');
    const { paths } = JSON.parse(body) as { paths: string[] };
    expect(paths).toContain('/readyz/shutdown');
    for (const path of paths) expect((await server.scrape(admin, '127.0.0.1', path)).status).toBe(200);
  });
});
