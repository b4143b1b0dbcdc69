import { createPublicKey } from 'node:crypto';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { FilterUnderTest } from './filter-under-test.js';
import { scrapePolicy } from './scrape-policy.js';
import { Scrapes } from './scrapes.js';
import { newSigningKey, signToken, tokenIssuer, type SigningKey } from './signed-tokens.js';

const settles = { timeout: 60_000, interval: 50 };
const account = { namespace: 'monitoring', name: 'prometheus', uid: 'e2e' };
const flag = '--service-account-key-file';

describe('the keys of service-account tokens', () => {
  it('are others as soon as their file is, without a scrape that fails, and a broken file changes nothing', async () => {
    const directory = temporaryDirectory();
    const keyFile = join(directory.path, 'service-account.pub');
    // In one step, as a careful tool does it.
    const publish = (text: string): void => {
      renameSync(directory.write('service-account.pub.new', text), keyFile);
    };
    const [before, after] = [newSigningKey(), newSigningKey()];
    publish(publicPem(before));
    directory.write(
      'policy.json',
      scrapePolicy([{ kind: 'ServiceAccount', namespace: 'monitoring', name: 'prometheus' }]),
    );
    const filter = await FilterUnderTest.start(undefined, [
      `--rbac-dir=${directory.path}`,
      `${flag}=${keyFile}`,
      `--service-account-issuer=${tokenIssuer}`,
    ]);
    const reloads = async (result: 'success' | 'failure'): Promise<number> =>
      (await filter.metrics()).sum('kcp_metrics_filter_file_reloads_total', { flag, result });

    const ofOldKey = await signToken(before, account);
    const ofNewKey = await signToken(after, account);
    let token = ofOldKey;
    const scrapers = new Map([['prometheus', { bearerToken: () => token }]]);
    const scrapes = new Scrapes({ port: filter.port, scrapers });
    onTestFinished(() => scrapes.stop());
    await scrapes.more();
    expect(await filter.statusForToken(ofNewKey)).toBe(401);

    publish('-----BEGIN PUBLIC KEY-----\nnone\n-----END PUBLIC KEY-----\n');
    await expect.poll(() => reloads('failure'), settles).toBe(1);
    expect(filter.log()).toContain(flag);
    await scrapes.more();

    // As a rotation goes: both, then the new one alone.
    publish(publicPem(before) + publicPem(after));
    await expect.poll(() => filter.statusForToken(ofNewKey), settles).toBe(200);
    token = ofNewKey;
    await scrapes.more();
    expect(await filter.statusForToken(ofOldKey)).toBe(200);
    publish(publicPem(after));
    // Although it was verified, and is remembered.
    await expect.poll(() => filter.statusForToken(ofOldKey), settles).toBe(401);
    await scrapes.more();
    expect(scrapes.failuresOf('prometheus')).toEqual([]);
    expect(await reloads('success')).toBe(2);
  });
});

function publicPem({ privateKey }: SigningKey): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
}
