import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { RawClient, type RawAnswer } from '../support/raw-tls.js';
import { startCli, startProcess, type StartedServer } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const soon = { timeout: 10_000, interval: 50 };

const directory = temporaryDirectory();
const tokens = directory.write(
  'tokens.csv',
  'token-of-a,a,1,system:masters\ntoken-of-b,b,2,system:masters\n',
);
const file = join(directory.path, 'maintenance');

afterEach(() => {
  rmSync(file, { force: true });
});

async function started(...flags: readonly string[]) {
  const start = flags.includes('--workers=2') ? startProcess : startCli;
  const server: StartedServer = await start(['--mode=shard', `--token-auth-file=${tokens}`, ...flags]);
  const client = new RawClient({ port: server.port });
  const scrape = (user: 'a' | 'b'): Promise<RawAnswer> =>
    client.request('/metrics', { headers: { Authorization: `Bearer token-of-${user}` } });
  const statuses = async (): Promise<readonly number[]> => [
    (await scrape('a')).status,
    (await scrape('b')).status,
  ];
  return { server, client, scrape, statuses };
}

describe('--max-requests-per-second-by-identity', () => {
  it('lets a user send twice as many at once, and shows and logs those beyond', async () => {
    const { scrape, client, server } = await started('--max-requests-per-second-by-identity=1');
    const codes: number[] = [];
    while (codes.length < 10) codes.push((await scrape('a')).status);
    expect(codes.slice(0, 2)).toEqual([200, 200]);
    expect(codes).toContain(429);
    const { status, body } = await scrape('b');
    expect(status).toBe(200);
    expect(body).toMatch(/^kcp_metrics_filter_limited_requests_total\{by="identity"\} [1-9]/m);
    expect((await client.request('/livez')).status).toBe(200);
    await expect.poll(() => server.log(), soon).toMatch(/"user":"a".*"msg":"too many requests"/);
    expect(server.log()).not.toContain('token-of');
  });
});

describe('--maintenance-file', () => {
  const flag = (): string => `--maintenance-file=${file}`;

  it('is followed as it comes, names some, cannot be read, and goes', async () => {
    const { client, scrape, statuses, server } = await started(flag());
    expect(await statuses()).toEqual([200, 200]);
    directory.write('maintenance', '');
    await expect.poll(statuses, soon).toEqual([503, 503]);
    expect((await client.request('/readyz')).status).toBe(200);
    directory.write('maintenance', 'users: [a]\n');
    await expect.poll(statuses, soon).toEqual([503, 200]);
    const { body } = await scrape('b');
    expect(body).toMatch(/^kcp_metrics_filter_maintenance 1$/m);
    expect(body).toMatch(/^kcp_metrics_filter_maintenance_refused_scrapes_total [1-9]/m);
    directory.write('maintenance', 'user: [secret-name]\n');
    await expect.poll(statuses, soon).toEqual([503, 503]);
    expect((await client.request('/livez')).status).toBe(200);
    rmSync(file);
    await expect.poll(statuses, soon).toEqual([200, 200]);
    expect((await scrape('a')).body).toMatch(/^kcp_metrics_filter_maintenance 0$/m);
    expect(server.log()).toContain(':1: user: unknown field; expected users or groups; no scrape');
    expect(server.log()).toContain('maintenance is over');
    expect(server.log()).not.toContain('secret-name');
  });

  it('may be there, and even be unusable, when the server starts', async () => {
    directory.write('maintenance', 'users: a\n');
    const { client, statuses } = await started(flag());
    expect(await statuses()).toEqual([503, 503]);
    expect((await client.request('/readyz')).status).toBe(200);
  });

  it('is followed by every worker', async () => {
    directory.write('maintenance', 'users: [a]\n');
    const { scrape, statuses } = await started(flag(), '--workers=2');
    expect(await statuses()).toEqual([503, 200]);
    expect((await scrape('b')).body).toMatch(/^kcp_metrics_filter_maintenance 1$/m);
  });
});
