import { afterEach, describe, expect, it } from 'vitest';
import { ecKey, resigned, rsaKey } from '../authentication/tokens/jwt/signed-jwt.js';
import type { RawHeaders } from '../support/raw-tls.js';
import type { StartedServer } from '../support/started-server.js';
import { bearing, IdentitySetting, issuer, refusalLines } from './identity-setting.js';

const key = rsaKey();
const otherKey = rsaKey();
/** A file's change is in force within this time. */
const soon = { timeout: 3000, interval: 20 };

const setting = await IdentitySetting.create();
afterEach(async () => {
  expect(await setting.stop()).toEqual([]);
});

const serviceAccounts = (): readonly string[] => [
  `--service-account-key-file=${setting.publish('account.pub', key.publicPem)}`,
  `--service-account-issuer=${issuer}`,
];
const frontProxies = (): readonly string[] => [
  `--requestheader-client-ca-file=${setting.directory.write('proxies.crt', setting.authorities.proxies)}`,
  '--requestheader-allowed-names=front-proxy',
];
const staticTokens = (text = 'static-token-of-prometheus,prometheus,1\n'): string =>
  `--token-auth-file=${setting.publish('tokens.csv', text)}`;

const withToken = (server: StartedServer, token: string): Promise<number> =>
  setting.status(server, undefined, bearing(token));

/** How often a flag's files were swapped, or could not be. */
async function expectReloads(server: StartedServer, flag: string, result: string, times: number) {
  const line = `kcp_metrics_filter_file_reloads_total{flag="${flag}",result="${result}"} ${times}`;
  await expect.poll(() => setting.metrics(server), soon).toContain(line);
}

describe('a service account', () => {
  it('scrapes with its token, where RBAC lets it', async () => {
    const server = await setting.start(...serviceAccounts());
    const namespaced = (name: string) => ({
      sub: `system:serviceaccount:monitoring:${name}`,
      'kubernetes.io': { namespace: 'monitoring', serviceaccount: { name, uid: 'u2' } },
    });
    expect(await withToken(server, setting.token(key))).toBe(200);
    expect(await withToken(server, setting.token(key, namespaced('mallory')))).toBe(403);
    expect(await withToken(server, setting.token(key, { 'kubernetes.io': undefined }))).toBe(401);
  });

  it('is known by the keys its file holds now; a bad file leaves those before in force', async () => {
    const flag = '--service-account-key-file';
    const server = await setting.start(...serviceAccounts());
    const [ofOld, ofNew] = [setting.token(key), setting.token(otherKey)];
    const statuses = async () => [await withToken(server, ofOld), await withToken(server, ofNew)];
    expect(await statuses()).toEqual([200, 401]);

    setting.publish('account.pub', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n');
    await expectReloads(server, flag, 'failure', 1);
    expect(server.log()).toMatch(/account\.pub: PEM block 1 is no public key .* stays in force/);
    expect(await statuses()).toEqual([200, 401]);

    setting.publish('account.pub', otherKey.publicPem);
    await expect.poll(() => withToken(server, ofNew), soon).toBe(200);
    expect(await statuses()).toEqual([401, 200]);
    await expectReloads(server, flag, 'success', 1);
  });

  it('is known by each of several keys, also of another kind, while they are rotated', async () => {
    const server = await setting.start(...serviceAccounts());
    const ec = ecKey();
    setting.publish('account.pub', key.publicPem + otherKey.publicPem + ec.publicPem);
    await expect.poll(() => withToken(server, setting.token(otherKey)), soon).toBe(200);
    expect(await withToken(server, setting.token(key))).toBe(200);
    expect(await withToken(server, setting.token(ec, {}, 'ES256'))).toBe(200);
  });
});

describe('a swapped file', () => {
  it('of client authorities holds for connections that are open', async () => {
    const server = await setting.start();
    const [old, young] = [setting.client(server, 'prometheus'), setting.client(server, 'stranger')];
    const statuses = async () => [
      (await old.request('/metrics')).status,
      (await young.request('/metrics')).status,
    ];
    expect(await statuses()).toEqual([200, 401]);
    setting.publish('clients.crt', 'no certificate');
    await expect.poll(() => server.log(), soon).toMatch(/clients\.crt: .* stays in force/);
    expect(await statuses()).toEqual([200, 401]);
    setting.publish('clients.crt', setting.authorities.strangers);
    await expect.poll(async () => (await young.request('/metrics')).status, soon).toBe(200);
    expect(await statuses()).toEqual([401, 200]);
    await expect
      .poll(() => refusalLines(server).at(-1)?.refusals, soon)
      .toEqual([
        { authenticator: 'client-certificate', reason: 'certificate is not signed by a known authority' },
      ]);
  });

  it('of tokens holds for the next request; a bad one leaves those before in force', async () => {
    const [before, after] = [
      setting.secret('old-token-of-prometheus'),
      setting.secret('new-token-of-prometheus'),
    ];
    const server = await setting.start(staticTokens(`${before},prometheus,1\n`));
    const client = setting.client(server);
    const statuses = async () => Promise.all([before, after].map((token) => withToken(server, token)));
    expect(await statuses()).toEqual([200, 401]);
    setting.publish('tokens.csv', `${after},prometheus\n`);
    await expectReloads(server, '--token-auth-file', 'failure', 1);
    expect(server.log()).toMatch(/tokens\.csv:1: expected at least 3 columns/);
    expect(await statuses()).toEqual([200, 401]);
    setting.publish('tokens.csv', `${after},prometheus,1\n`);
    const withNew = async () => (await client.request('/metrics', { headers: bearing(after) })).status;
    await expect.poll(withNew, soon).toBe(200);
    expect(await statuses()).toEqual([401, 200]);
  });
});

describe('a front proxy', () => {
  const remote = { 'X-Remote-User': 'prometheus' };
  const spoofed = (times: number) => `kcp_metrics_filter_spoofed_headers_total ${times}`;

  it('is believed, and whoever is none is counted and taken for whom he is', async () => {
    const server = await setting.start(...frontProxies());
    expect(await setting.metrics(server)).toContain(spoofed(0));
    expect(await setting.status(server, 'front-proxy', remote)).toBe(200);
    expect(await setting.metrics(server)).toContain(spoofed(0));
    expect(await setting.status(server, undefined, remote)).toBe(403);
    expect(await setting.status(server, 'mallory', { 'X-Remote-Group': 'system:masters' })).toBe(403);
    expect(await setting.status(server, 'prometheus', { 'X-Remote-Extra-Scopes': 'cluster:root' })).toBe(200);
    expect(await setting.status(server, 'stranger', remote)).toBe(401);
    expect(await setting.metrics(server)).toContain(spoofed(4));
    // Anybody can send them, so a line for each would be a way to fill the log.
    expect(server.log()).not.toMatch(/spoof|x-remote/i);
  });

  it('tells uid and extra fields under the names that the flags give', async () => {
    const server = await setting.start(
      ...frontProxies(),
      '--requestheader-uid-headers=X-Remote-Uid,X-Other-Uid',
      '--log-level=debug',
    );
    const headers = {
      ...remote,
      'X-Remote-Uid': '',
      'X-Other-Uid': 'uid-7',
      'X-Remote-Extra-Example.org%2fteam': ['a', 'b'],
    };
    expect(await setting.status(server, 'front-proxy', headers)).toBe(200);
    await expect
      .poll(() => server.log(), soon)
      .toContain(
        '"identity":{"name":"prometheus","uid":"uid-7","groups":["system:authenticated"],"extra":{"example.org/team":["a","b"]}}',
      );
  });
});

describe('several credentials', () => {
  it('count in kubernetes’ order; one that is good is enough', async () => {
    const server = await setting.start(
      ...frontProxies(),
      staticTokens('static-token-of-prometheus,prometheus,1\nstatic-token-of-mallory,mallory,2\n'),
      ...serviceAccounts(),
      '--log-level=debug',
    );
    const account = setting.token(key);
    const bad = setting.secret(resigned(setting.token(key), Buffer.alloc(256, 1)));
    const remote = { 'X-Remote-User': 'remote' };
    type Certificate = 'prometheus' | 'stranger' | 'mallory' | 'front-proxy' | undefined;
    const rows: readonly (readonly [Certificate, RawHeaders, number, authenticator: string | undefined])[] = [
      ['prometheus', bearing(bad), 200, 'client-certificate'],
      ['prometheus', bearing('unknown'), 200, 'client-certificate'],
      ['mallory', bearing(account), 403, 'client-certificate'],
      ['stranger', bearing(account), 200, 'service-account'],
      ['stranger', bearing('static-token-of-prometheus'), 200, 'token-file'],
      ['stranger', bearing(bad), 401, undefined],
      ['front-proxy', { ...remote, ...bearing(account) }, 403, 'request-header'],
      ['front-proxy', bearing(account), 200, 'service-account'],
      [undefined, { ...remote, ...bearing(account) }, 200, 'service-account'],
      [undefined, bearing('static-token-of-mallory'), 403, 'token-file'],
      [undefined, bearing(bad), 401, undefined],
      [undefined, {}, 403, 'anonymous'],
    ];
    const found: unknown[] = [];
    for (const [certificate, headers] of rows) {
      const client = setting.client(server, certificate);
      const answer = await client.request('/metrics', { headers });
      const line = `"auditId":"${answer.headers.get('audit-id') ?? ''}"`;
      const audited = () =>
        server
          .log()
          .split('\n')
          .find((text) => text.includes(line) && text.includes('"msg":"request"'));
      await expect.poll(audited, soon).toBeDefined();
      const { audit } = JSON.parse(audited() ?? '') as {
        readonly audit: { readonly authenticator?: string };
      };
      found.push([certificate, headers, answer.status, audit.authenticator]);
    }
    expect(found).toEqual(rows);
  });

  it('never make anyone anonymous who has presented what is refused', async () => {
    const server = await setting.start(staticTokens(), ...serviceAccounts());
    const foreign = setting.token(key, { iss: 'https://elsewhere' });
    expect(await withToken(server, foreign)).toBe(401);
    await expect
      .poll(() => refusalLines(server)[0]?.refusals, soon)
      .toEqual([
        { authenticator: 'token-file', reason: 'unknown token' },
        { authenticator: 'service-account', reason: 'the token is of another issuer' },
      ]);
  });

  it('let nobody impersonate', async () => {
    const server = await setting.start(...frontProxies(), staticTokens(), ...serviceAccounts());
    const impersonating: readonly RawHeaders[] = [
      { 'Impersonate-User': 'admin' },
      { 'impersonate-group': 'system:masters' },
      { 'IMPERSONATE-UID': '1' },
      { 'Impersonate-Extra-Scopes': 'cluster:root' },
      { 'Impersonate-Anything': '' },
    ];
    for (const headers of impersonating) {
      const statuses = await Promise.all([
        setting.status(server, 'prometheus', headers),
        setting.status(server, 'masters', headers),
        setting.status(server, 'front-proxy', { ...headers, 'X-Remote-User': 'prometheus' }),
        setting.status(server, undefined, { ...headers, ...bearing('static-token-of-prometheus') }),
        setting.status(server, undefined, { ...headers, ...bearing(setting.token(key)) }),
        setting.status(server, undefined, headers),
        setting.status(server, undefined, { ...headers, ...bearing('unknown') }),
      ]);
      expect(statuses).toEqual([403, 403, 403, 403, 403, 403, 401]);
    }
  });
});

describe('the metrics', () => {
  it('have no label that a client can choose', async () => {
    const server = await setting.start(...frontProxies(), staticTokens(), ...serviceAccounts());
    const filterSeries = async () =>
      (await setting.metrics(server)).filter((line) => /^(kcp_|authentication|apiserver_)/.test(line));
    const chosen = 'chosen-by-a-client';
    const send = async (): Promise<void> => {
      await setting.status(server, 'front-proxy', { 'X-Remote-User': chosen, 'X-Remote-Group': chosen });
      await setting.status(server, undefined, { 'X-Remote-User': chosen });
      await withToken(server, chosen);
      await withToken(server, setting.token(key, { iss: chosen }));
      await withToken(server, setting.token(key, { aud: chosen }));
      const client = setting.client(server, 'prometheus');
      await client.request(`/metrics/${chosen}`, { method: 'PUT' });
      await client.request(`/clusters/${chosen}/metrics`);
    };
    await send();
    await setting.metrics(server);
    const before = await filterSeries();
    await send();
    const after = await filterSeries();
    expect(after.join('\n')).not.toContain(chosen);
    const names = (lines: readonly string[]) => lines.map((line) => line.replace(/ \S+$/, ''));
    expect(names(after)).toEqual(names(before));
  });
});
