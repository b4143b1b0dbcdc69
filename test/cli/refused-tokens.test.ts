import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resigned, rsaKey } from '../authentication/tokens/jwt/signed-jwt.js';
import type { StartedServer } from '../support/started-server.js';
import { bearing, IdentitySetting, issuer, refusalLines } from './identity-setting.js';

const key = rsaKey();
const soon = { timeout: 15_000, interval: 20 };

describe('a request that is refused', () => {
  let setting: IdentitySetting;
  beforeAll(async () => {
    setting = await IdentitySetting.create();
  });
  afterAll(async () => {
    expect(await setting.stop()).toEqual([]);
  });

  it('is one line at the default level that names user, path and reason, and no credential', async () => {
    const tokens = setting.directory.write('tokens.csv', 'a-good-token,eve,1\n');
    const kinds = ['--anonymous-auth=false', '--anonymous-auth=true'] as const;
    const [known, anyone] = await Promise.all(
      kinds.map((kind) => setting.start(kind, `--token-auth-file=${tokens}`)),
    );
    if (known === undefined || anyone === undefined) expect.fail('no servers');
    const basic = { Authorization: `Basic ${Buffer.from('eve:s3cret').toString('base64')}` };
    const unauthenticated = 'unauthenticated';
    const noBearer = 'the Authorization header holds no bearer token';
    const noRule = 'no authorizer allows it';
    const rows = [
      [known, 401, undefined, {}, { msg: unauthenticated, reason: 'no credentials' }],
      [known, 401, undefined, basic, { msg: unauthenticated, reason: noBearer }],
      [known, 401, undefined, { Authorization: 's3cret' }, { msg: unauthenticated, reason: noBearer }],
      [
        known,
        401,
        undefined,
        { Authorization: 'Bearer  s3cret' },
        { msg: unauthenticated, reason: noBearer },
      ],
      [known, 403, undefined, bearing('a-good-token'), { msg: 'forbidden', user: 'eve', reason: noRule }],
      [known, 403, 'mallory', {}, { msg: 'forbidden', user: 'mallory', reason: noRule }],
      [
        known,
        403,
        'masters',
        { 'Impersonate-User': 's3cret' },
        { msg: 'forbidden', reason: 'impersonation is not served' },
      ],
      [anyone, 403, undefined, {}, { msg: 'forbidden', user: 'system:anonymous', reason: noRule }],
      [anyone, 403, undefined, basic, { msg: 'forbidden', user: 'system:anonymous', reason: noRule }],
    ] as const;
    for (const [server, status, certificate, headers, line] of rows) {
      const client = setting.client(server, certificate);
      const answer = await client.request('/metrics?token=s3cret', { headers });
      expect(answer.status).toBe(status);
      const auditId = answer.headers.get('audit-id') ?? '';
      await expect.poll(() => server.log(), soon).toContain(auditId);
      const lines = server
        .log()
        .split('\n')
        .filter((text) => text.includes(auditId));
      expect(lines).toHaveLength(1);
      const path = { path: '/metrics', verb: 'get', sourceIps: ['127.0.0.1'] };
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 30, auditId, ...path, ...line });
    }
    for (const server of [known, anyone]) {
      expect(server.log()).not.toMatch(/s3cret|a-good-token|"refusals"|ZXZl/);
    }
  });

  it('is said to bring what no method takes', async () => {
    const server = await setting.start('--anonymous-auth=false');
    const answer = await setting.client(server).request('/metrics', { headers: bearing('s3cret') });
    expect(answer.status).toBe(401);
    await expect.poll(() => server.log(), soon).toContain('"reason":"no method takes bearer tokens"');
    expect(server.log()).not.toContain('s3cret');
  });
});

describe('a service account’s token that is refused', () => {
  let setting: IdentitySetting;
  let server: StartedServer;
  beforeAll(async () => {
    setting = await IdentitySetting.create();
    server = await setting.start(
      `--service-account-key-file=${setting.directory.write('account.pub', key.publicPem)}`,
      `--service-account-issuer=${issuer}`,
    );
  });
  afterAll(async () => {
    expect(await setting.stop()).toEqual([]);
  });

  type Minted = (claims?: Readonly<Record<string, unknown>>) => string;
  it.each<[string, (token: Minted) => string, RegExp]>([
    ['expired', (token) => token({ exp: 1_600_000_000 }), /^expired at 2020-09-13T12:26:40/],
    ['not valid yet', (token) => token({ nbf: 4_000_000_000 }), /^not valid before 2096-/],
    ['without an end', (token) => token({ exp: undefined }), /^there is no exp$/],
    ['for somebody else', (token) => token({ aud: ['https://vault'] }), /audience/],
    ['of another issuer', (token) => token({ iss: 'https://elsewhere' }), /^the token is of another issuer$/],
    ['of another account than it says', (token) => token({ sub: 'system:admin' }), /^sub is not the account/],
    ['signed by nobody', (token) => resigned(token(), Buffer.alloc(256, 1)), /^the signature is not valid$/],
    ['signed with an unknown key', () => setting.token(rsaKey()), /^unknown key ID$/],
    ['no JWT', () => 'neither-a-jwt-nor-anything-else', /^the token is no JWT$/],
  ])('%s: the client learns nothing, the log says it under his Audit-Id', async (_, make, reason) => {
    const token = setting.secret(make((claims) => setting.token(key, claims)));
    const client = setting.client(server);
    const { status, headers, body } = await client.request('/metrics', { headers: bearing(token) });
    expect([status, JSON.parse(body)]).toMatchObject([401, { message: 'Unauthorized' }]);
    expect(body).not.toMatch(/expired|audience|issuer|signature|key|JWT|service-account/);
    await expect
      .poll(() => refusalLines(server).at(-1), soon)
      .toMatchObject({
        auditId: headers.get('audit-id'),
        path: '/metrics',
        refusals: [{ authenticator: 'service-account', reason: expect.stringMatching(reason) as string }],
      });
  });

  it('is counted by who refused it; in a flood, lines are left out and counted', async () => {
    const counted = async (): Promise<number> => {
      const name = 'kcp_metrics_filter_refused_credentials_total{authenticator="service-account"} ';
      const line = (await setting.metrics(server)).find((text) => text.startsWith(name)) ?? `${name}0`;
      return Number(line.slice(name.length));
    };
    const [countBefore, linesBefore] = [await counted(), refusalLines(server).length];
    const client = setting.client(server);
    const started = performance.now();
    for (let number = 0; number < 200; number += 1) {
      await client.request('/metrics', { headers: bearing(`bad-token-${number}`) });
    }
    const seconds = Math.ceil((performance.now() - started) / 1000) + 1;
    expect(await counted()).toBe(countBefore + 200);
    expect(refusalLines(server).length - linesBefore).toBeLessThanOrEqual(10 * seconds);
    const isCounted = async (): Promise<boolean> => {
      await client.request('/metrics', { headers: bearing('one-more') });
      return server.log().includes('"suppressed":');
    };
    await expect.poll(isCounted, soon).toBe(true);
  });
});
