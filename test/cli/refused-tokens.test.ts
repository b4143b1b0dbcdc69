import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resigned, rsaKey } from '../authentication/jwt/signed-jwt.js';
import type { StartedServer } from '../support/started-server.js';
import { bearing, IdentitySetting, issuer, refusalLines } from './identity-setting.js';

const key = rsaKey();
const soon = { timeout: 3000, interval: 20 };

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
    const leaked = await setting.stop();
    setting.remove();
    expect(leaked).toEqual([]);
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
