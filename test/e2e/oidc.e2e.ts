import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { localAuthority } from '../support/local-authority.js';
import { startOpenIdProvider, type OpenIdProvider } from '../support/openid-provider.js';
import { RawClient } from '../support/raw-tls.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';
import { inWords, printFigure } from './figures.js';
import { FilterUnderTest } from './filter-under-test.js';
import { scrapePolicy } from './scrape-policy.js';
import { Scrapes } from './scrapes.js';

const settles = { timeout: 60_000, interval: 100 };
const policy = scrapePolicy([
  { kind: 'User', name: 'oidc:prometheus' },
  { kind: 'User', name: 'by-certificate' },
  { kind: 'Group', name: 'oidc:monitoring' },
]);

describe('scrapers with ID tokens of an OpenID provider', () => {
  let directory: TemporaryDirectory;
  let provider: OpenIdProvider;
  let flags: readonly string[];
  beforeEach(async () => {
    directory = temporaryDirectory();
    const { authority, serving } = await localAuthority();
    provider = await startOpenIdProvider(serving, authority.certificatePem);
    flags = [
      `--rbac-dir=${directory.path}`,
      `--oidc-issuer-url=${provider.issuerUrl}`,
      `--oidc-client-id=${provider.clientId}`,
      `--oidc-ca-file=${directory.write('provider-ca.crt', authority.certificatePem)}`,
      '--oidc-username-prefix=oidc:',
      '--oidc-groups-claim=groups',
      '--oidc-groups-prefix=oidc:',
    ];
    directory.write('policy.json', policy);
  });
  afterEach(async () => {
    await provider.close();
  });

  const startFilter = async (): Promise<FilterUnderTest> => {
    const filter = await FilterUnderTest.start(undefined, flags);
    return filter;
  };

  it('are served without a gap while keys are rotated, and while the provider is away', async () => {
    const filter = await startFilter();
    let token = await provider.idToken('prometheus');
    await expect.poll(() => filter.statusForToken(token), settles).toBe(200);
    const scrapers = new Map([['prometheus', { bearerToken: () => token }]]);
    const scrapes = new Scrapes({ port: filter.port, scrapers, perSecond: 10 });
    onTestFinished(() => scrapes.stop());
    await scrapes.more(5);

    await provider.rotateKeys();
    token = await provider.idToken('prometheus');
    await scrapes.more(5);

    await provider.stop();
    await scrapes.more(5);
    // One that nobody has seen, while nobody can be asked.
    const now = Math.floor(Date.now() / 1_000);
    const { issuerUrl: iss, clientId: aud } = provider;
    token = await provider.sign({ iss, aud, sub: 'prometheus', iat: now, exp: now + 60 });
    await scrapes.more(5);

    await provider.start();
    token = await provider.idToken('prometheus');
    await scrapes.more(5);
    await scrapes.stop();
    expect(scrapes.failuresOf('prometheus')).toEqual([]);
    printFigure(`OIDC, keys rotated and the provider away: scrapes ${inWords(scrapes.percentiles())}`);

    const withdrawn = token;
    await provider.rotateKeys({ withdrawOld: true });
    const renewed = await provider.idToken('prometheus');
    // Unknown key IDs have keys downloaded once in ten seconds.
    await expect.poll(() => filter.statusForToken(renewed), settles).toBe(200);
    expect(await filter.statusForToken(withdrawn)).toBe(401);
    for (const secret of [withdrawn, renewed]) expect(filter.log()).not.toContain(secret);
  });

  it('are known by their groups, and by nothing that the prefix does not say', async () => {
    const filter = await startFilter();
    const member = await provider.idToken('alice', { groups: ['monitoring'] });
    await expect.poll(() => filter.statusForToken(member), settles).toBe(200);
    expect(await filter.statusForToken(await provider.idToken('bob'))).toBe(403);
    const pretender = await provider.idToken('mallory', { groups: ['system:masters'] });
    expect(await filter.statusForToken(pretender)).toBe(403);
  });

  it('wait for a provider that is not there yet, and nobody else does', async () => {
    const token = await provider.idToken('prometheus');
    await provider.stop();
    const filter = await startFilter();
    const client = new RawClient(await filter.connectionOf('by-certificate'));
    expect((await client.request('/metrics')).status).toBe(200);
    expect(await filter.statusForToken(token)).toBe(401);
    await provider.start();
    await expect.poll(() => filter.statusForToken(token), settles).toBe(200);
  });
});
