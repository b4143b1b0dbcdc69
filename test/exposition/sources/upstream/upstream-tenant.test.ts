import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ScrapingUser } from '../../../../src/exposition/exposition.js';
import { mergedExposition } from '../../../../src/exposition/merging/merged-exposition.js';
import { filteredExposition } from '../../../../src/exposition/relabelling/filtered-exposition.js';
import {
  tenantWriter,
  type TenantHeader,
  type TenantSource,
} from '../../../../src/exposition/sources/upstream/upstream-identity.js';
import { upstreamExposition } from '../../../../src/exposition/sources/upstream/upstream.js';
import type { MetricsFilterOptions } from '../../../../src/request/guard.js';
import { listenFilter, scrape } from './upstream-servers.js';
import { exposed, failures, guard, recorder } from './upstream-setting.js';
import { NoTenantError, TenantHeadersError } from '../../../../src/exposition/exposition-errors.js';
import { anyCharacter } from '../../../support/any-character.js';
import { words } from '../../../support/words.js';

const field = 'X-Scope-OrgID';
const byName: TenantHeader = { field, source: { kind: 'name' } };
const byGroup: TenantHeader = { field, source: { kind: 'group', prefix: 'tenant:' } };
const byExtra: TenantHeader = { field, source: { kind: 'extra', key: 'example.org/tenant' } };

/** Lets in everybody, as this user. */
const as = ({ name, groups, extra = {} }: ScrapingUser): Partial<MetricsFilterOptions> => ({
  authenticators: [
    {
      name: 'any',
      authenticate: () => Promise.resolve({ kind: 'authenticated', identity: { name, groups, extra } }),
    },
  ],
  authorizers: [{ name: 'all', authorize: () => Promise.resolve({ decision: 'allow', reason: '' }) }],
});

describe('an upstream that is told the tenant', () => {
  it('hears the name of who scrapes', async () => {
    const { upstream, received } = await recorder();
    await scrape(await guard(upstream, { tenantHeaders: [byName] }));
    expect(received[0]).toMatchObject({ 'x-scope-orgid': 'root-admin' });
  });

  it('hears of several fields, beside the identity headers', async () => {
    const { upstream, received } = await recorder();
    const byMasters: TenantHeader = { field: 'x-cell', source: { kind: 'group', prefix: 'system:m' } };
    await scrape(await guard(upstream, { tenantHeaders: [byName, byMasters], identityHeaders: {} }));
    expect(received[0]).toMatchObject({
      'x-scope-orgid': 'root-admin',
      'x-cell': 'asters',
      'x-remote-user': 'root-admin',
    });
  });

  it('never hears what a scraper says of their own tenant', async () => {
    const { upstream, received } = await recorder();
    const filter = await guard(upstream, { tenantHeaders: [byName] });
    await scrape(filter, { [field]: ['mallory', 'wheel'], 'x-scope-orgid ': 'mallory' }).catch(
      () => undefined,
    );
    await scrape(filter, { [field.toLowerCase()]: 'mallory', X_Scope_OrgID: 'mallory' });
    expect(received.map((headers) => headers['x-scope-orgid'])).toEqual(received.map(() => 'root-admin'));
    expect(JSON.stringify(received)).not.toMatch(/mallory|wheel/);
  });

  it.each(['filtered', 'merged'])('hears it through a %s exposition', async (which) => {
    const { upstream, received } = await recorder();
    const source = exposed(upstream, { tenantHeaders: [byGroup] });
    const exposition =
      which === 'merged'
        ? mergedExposition({
            members: [
              { name: 'a', exposition: source, labels: { upstream: 'a' } },
              { name: 'b', exposition: source, labels: { upstream: 'b' } },
            ],
          })
        : filteredExposition(source, { dropMetrics: ['b'] });
    const filter = await listenFilter(exposition, as({ name: 'alice', groups: ['tenant:acme'] }));
    const stranger = await listenFilter(exposition, as({ name: 'alice', groups: [] }));
    expect((await scrape(filter)).status).toBe(200);
    expect((await scrape(stranger)).status).toBe(403);
    expect(received.map((headers) => headers['x-scope-orgid'])).toEqual(received.map(() => 'acme'));
    expect(received).toHaveLength(which === 'merged' ? 2 : 1);
  });

  it.each<[string, Partial<MetricsFilterOptions>]>([
    ['a scraper without a tenant', as({ name: 'alice', groups: ['system:authenticated'] })],
    ['a scraper of two', as({ name: 'alice', groups: ['tenant:acme', 'tenant:other'] })],
    [
      'system:anonymous',
      {
        anonymous: true,
        authorizers: [{ name: 'all', authorize: () => Promise.resolve({ decision: 'allow', reason: '' }) }],
      },
    ],
    ['a scraper whom nobody asked', { alwaysAllowPaths: ['/metrics'] }],
  ])('is not asked for %s, who gets 403', async (_who, options) => {
    const { upstream, received } = await recorder();
    const exposition = exposed(upstream, { tenantHeaders: [byGroup] });
    const filter = await listenFilter(exposition, options);
    const { status, body } = await scrape(filter, { Authorization: [], [field]: 'acme' });
    expect([status, received.length, failures.length]).toEqual([403, 0, 0]);
    expect(JSON.parse(body.toString())).toMatchObject({ reason: 'Forbidden', message: 'no tenant' });
  });
});

const user = (name: string, groups: readonly string[] = [], extra?: ScrapingUser['extra']): ScrapingUser =>
  extra === undefined ? { name, groups } : { name, groups, extra };

describe('the tenant', () => {
  it.each<[TenantHeader, ScrapingUser, string]>([
    [byName, user('acme'), 'acme'],
    [byName, user('system:serviceaccount:shop:prometheus'), 'system:serviceaccount:shop:prometheus'],
    [byName, user('ops@example.org'), 'ops@example.org'],
    [byGroup, user('a', ['tenant:acme', 'tenants:x', 'system:authenticated']), 'acme'],
    [byGroup, user('a', ['tenant:acme', 'tenant:acme']), 'acme'],
    [byExtra, user('a', [], { 'example.org/tenant': ['acme'] }), 'acme'],
    [byExtra, user('a', [], { 'example.org/tenant': ['acme', 'acme'] }), 'acme'],
  ])('by %j of %j is %s', (header, who, tenant) => {
    expect(tenantWriter([header])(who)).toEqual({ [field]: tenant });
  });

  it.each<[TenantHeader, ScrapingUser | undefined, string]>([
    [byName, undefined, 'unasked'],
    [byName, user('system:anonymous', ['system:unauthenticated']), 'none'],
    [byName, user(''), 'malformed'],
    [byGroup, user('tenant:acme'), 'none'],
    [byGroup, user('a', ['Tenant:acme', ' tenant:acme', 'acme']), 'none'],
    [byGroup, user('a', ['tenant:']), 'malformed'],
    [byGroup, user('a', ['tenant:', 'tenant:acme']), 'several'],
    [byGroup, user('a', ['tenant:acme', 'tenant:acme2']), 'several'],
    [byExtra, user('a'), 'none'],
    [byExtra, user('a', [], { 'example.org/tenant': [] }), 'none'],
    [byExtra, user('a', [], { 'example.org/tenant': ['a', 'b'] }), 'several'],
    [{ field, source: { kind: 'extra', key: 'toString' } }, user('a', [], {}), 'none'],
    [{ field, source: { kind: 'extra', key: '__proto__' } }, user('a', [], {}), 'none'],
    ...[...words('a|b a,b a;b * .. . -a a- ä a/b'), 'a b', ' a', 'a ', 'a\r\nb', 'a'.repeat(257)].map(
      (name): [TenantHeader, ScrapingUser, string] => [byName, user(name), 'malformed'],
    ),
  ])('by %j of %j is not sure: %s', (header, who, fault) => {
    const asked = (): unknown => tenantWriter([header])(who);
    expect(asked).toThrow(expect.objectContaining({ message: 'no tenant', fault, code: 'ERR_NO_TENANT' }));
  });

  it('is for every identity one plain word that is theirs, or none', () => {
    const text = fc.oneof(
      fc.string({ unit: anyCharacter, maxLength: 10 }),
      fc.constantFrom(...words('acme system:anonymous tenant: tenant:acme tenant:a|b system:authenticated')),
      fc.string({ maxLength: 6 }).map((rest) => `tenant:${rest}`),
    );
    const users = fc.record({
      name: text,
      groups: fc.array(text, { maxLength: 5 }),
      extra: fc.dictionary(
        fc.oneof(text, fc.constant('example.org/tenant')),
        fc.array(text, { maxLength: 3 }),
      ),
    });
    fc.assert(
      fc.property(fc.constantFrom(byName, byGroup, byExtra), users, (header, who) => {
        let said: string | undefined;
        try {
          said = tenantWriter([header])(who)[field];
        } catch (error) {
          expect(error).toBeInstanceOf(NoTenantError);
          return;
        }
        expect(said).toMatch(/^[A-Za-z0-9_.:@-]{1,256}$/);
        expect([...new Set(candidates(header.source, who))]).toEqual([said]);
      }),
      { numRuns: 1000 },
    );
  });
});

/** Told in other words than the code's. */
function candidates(source: TenantSource, { name, groups, extra = {} }: ScrapingUser): readonly string[] {
  switch (source.kind) {
    case 'name':
      return [name];
    case 'group':
      return groups.flatMap((group) => (group.startsWith('tenant:') ? [group.substring(7)] : []));
    case 'extra':
      return Object.entries(extra).find(([key]) => key === source.key)?.[1] ?? [];
  }
}

describe('tenant headers', () => {
  const ofGroup = (prefix: string): TenantHeader => ({ field, source: { kind: 'group', prefix } });
  const ofExtra = (key: string): TenantHeader => ({ field, source: { kind: 'extra', key } });
  it.each<[readonly TenantHeader[], RegExp]>([
    [[{ ...byName, field: '' }], /^"" is not a header field name$/],
    [[{ ...byName, field: 'x y' }], /^"x y" is not a header field name$/],
    [[{ ...byName, field: 'x\r\ny' }], /is not a header field name$/],
    [[{ ...byName, field: 'Authorization' }], /^"Authorization" has another meaning$/],
    [[{ ...byName, field: 'X-Prometheus-Scrape-Timeout-Seconds' }], /has another meaning$/],
    [[byName, { ...byGroup, field: 'x-scope-orgid' }], /^x-scope-orgid would be sent twice$/],
    [[{ ...byName, field: 'X-Remote-User' }], /^X-Remote-User would be sent twice$/],
    [[ofGroup('')], /^the prefix of a group is empty$/],
    [[ofGroup('s')], /^every user is in a group that begins with "s"$/],
    [[ofGroup('system:')], /^every user is in a group/],
    [[ofGroup('system:authenticated')], /^every user is in a group/],
    [[ofGroup('system:un')], /^every user is in a group/],
    [[ofExtra('')], /^the key of an extra is empty$/],
    [[], /^no header is named that would tell a tenant$/],
    [[ofExtra('authentication.kubernetes.io/credential-id')], /is the id of a credential, not of a tenant$/],
  ])('%j cannot be used', (tenantHeaders, message) => {
    const made = (): unknown =>
      upstreamExposition({ url: 'http://127.0.0.1', tenantHeaders, identityHeaders: {} });
    expect(made).toThrow(message);
    expect(made).toThrow(TenantHeadersError);
  });
});
