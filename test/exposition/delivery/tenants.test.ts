import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  Exposition,
  RenderedExposition,
  ScrapeRequest,
  ScrapingUser,
} from '../../../src/exposition/exposition.js';
import { sharedExposition } from '../../../src/exposition/delivery/shared-exposition.js';
import {
  tenantWriter,
  type TenantSource,
} from '../../../src/exposition/sources/upstream/upstream-identity.js';
import { contentType, settled } from './scripted-source.js';

const sources: readonly TenantSource[] = [
  { kind: 'name' },
  { kind: 'group', prefix: 'tenant:' },
  { kind: 'extra', key: 'tenant' },
];

/** Answers with the tenant, when it is let. */
function tenantsExposition(source: TenantSource) {
  const tenantOf = tenantWriter([{ field: 'x-tenant', source }]);
  const waiting: (() => void)[] = [];
  const exposition: Exposition = {
    contentType: () => contentType,
    async render({ user }: ScrapeRequest) {
      const { 'x-tenant': tenant = '' } = tenantOf(user);
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { contentType, body: tenant };
    },
  };
  return { exposition, waiting };
}

const textOf = ({ body }: RenderedExposition): string =>
  typeof body === 'string' ? body : Buffer.from(body as Uint8Array).toString();

const ofTenant = (tenant: string, how: TenantSource['kind']): ScrapingUser => ({
  name: how === 'name' ? tenant : 'prometheus',
  groups: how === 'group' ? [`tenant:${tenant}`] : [],
  ...(how === 'extra' ? { extra: { tenant: [tenant] } } : {}),
});

describe('tenants who scrape at the same time', () => {
  it.each(sources)('share no rendering where it depends on the $kind', async (source) => {
    const { exposition, waiting } = tenantsExposition(source);
    const origins: string[] = [];
    const shared = sharedExposition(exposition, {
      freshnessMs: 60_000,
      onScrape: (origin) => origins.push(origin),
    });
    const scrape = (tenant: string) =>
      shared.render({ accept: '', user: ofTenant(tenant, source.kind) }).then(textOf);
    const both = [scrape('acme'), scrape('other'), scrape('acme')];
    await settled();
    for (const begin of waiting) begin();
    expect(await Promise.all(both)).toEqual(['acme', 'other', 'acme']);
    expect(await Promise.all([scrape('other'), scrape('acme')])).toEqual(['other', 'acme']);
    expect(origins).toEqual(['rendered', 'rendered', 'joined', 'kept', 'kept']);
  });

  it('get none at all where the sharing does not know them', async () => {
    const { exposition } = tenantsExposition({ kind: 'name' });
    const shared = sharedExposition(exposition, { perUser: false, freshnessMs: 60_000 });
    await expect(shared.render({ accept: '', user: ofTenant('acme', 'name') })).rejects.toThrow('no tenant');
  });

  it('get their own, whoever asks and in whatever order', async () => {
    const word = fc.constantFrom('a', 'b', 'a"', '["a"]', ',', '');
    const users = fc.record({
      name: word,
      groups: fc.array(
        word.map((rest) => `tenant:${rest}`),
        { maxLength: 2 },
      ),
      extra: fc.dictionary(fc.constantFrom('tenant', 'other', '__proto__'), fc.array(word, { maxLength: 2 })),
    });
    const steps = fc.array(fc.oneof(users, fc.constant('answer' as const)), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...sources), steps, async (source, taken) => {
        const { exposition, waiting } = tenantsExposition(source);
        const tenantOf = tenantWriter([{ field: 'x-tenant', source }]);
        const shared = sharedExposition(exposition, { freshnessMs: 60_000 });
        const scrapers = taken.filter((step) => step !== 'answer');
        const scrapes: Promise<string>[] = [];
        for (const step of taken) {
          if (step === 'answer') waiting.shift()?.();
          else
            scrapes.push(
              shared
                .render({ accept: '', user: step })
                .then(textOf, (error: unknown) => (error instanceof Error ? error.message : '')),
            );
          await settled();
        }
        for (const begin of waiting) begin();
        const expected = scrapers.map((user) => {
          try {
            return tenantOf(user)['x-tenant'];
          } catch {
            return 'no tenant';
          }
        });
        expect(await Promise.all(scrapes)).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });
});
