import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdentityHeadersError, UpstreamError } from '../../../../src/exposition/exposition-errors.js';
import {
  identityWriter,
  type IdentityHeaders,
} from '../../../../src/exposition/sources/upstream/upstream-identity.js';
import { upstreamExposition } from '../../../../src/exposition/sources/upstream/upstream.js';
import { filteredExposition } from '../../../../src/exposition/relabelling/filtered-exposition.js';
import { listenFilter, scrape } from './upstream-servers.js';
import { exposed, failures, guard, recorder } from './upstream-setting.js';
import { anyCharacter } from '../../../support/any-character.js';
import { words } from '../../../support/words.js';

describe('an upstream that is told who scrapes', () => {
  it('hears name and groups, under kube-rbac-proxy’s names', async () => {
    const { upstream, received } = await recorder();
    await scrape(await guard(upstream, { identityHeaders: {} }));
    expect(received[0]).toMatchObject({
      'x-remote-user': 'root-admin',
      'x-remote-groups': 'system:masters|system:authenticated',
    });
  });

  it('hears them under other names and with another separator', async () => {
    const { upstream, received } = await recorder();
    const identityHeaders = { userField: 'X-User', groupsField: 'X-Groups', groupsSeparator: ', ' };
    await scrape(await guard(upstream, { identityHeaders }));
    expect(received[0]).toMatchObject({
      'x-user': 'root-admin',
      'x-groups': 'system:masters, system:authenticated',
    });
    expect(received[0]).not.toHaveProperty('x-remote-user');
  });

  it('hears of nobody unless it is wanted', async () => {
    const { upstream, received } = await recorder();
    await scrape(await guard(upstream));
    expect(Object.keys(received[0] ?? {}).sort()).toEqual([
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
    ]);
  });

  it('never hears what a scraper says of themselves', async () => {
    const { upstream, received } = await recorder();
    const filter = await guard(upstream, {
      identityHeaders: { userField: 'X-User', groupsField: 'X-Groups' },
    });
    await scrape(filter, {
      'X-User': 'mallory',
      'x-groups': ['system:masters', 'wheel'],
      'X-Remote-User': 'mallory',
      'X-Remote-Groups': 'wheel',
      'X-Remote-Extra-Scopes': 'all',
    });
    expect(received[0]).toMatchObject({
      'x-user': 'root-admin',
      'x-groups': 'system:masters|system:authenticated',
    });
    expect(JSON.stringify(received[0])).not.toMatch(/mallory|wheel|scopes/i);
  });

  it.each([
    [
      'system:anonymous, where that may scrape',
      { anonymous: true },
      'system:anonymous',
      'system:unauthenticated',
    ],
    ['nobody on an always-allow path', { alwaysAllowPaths: ['/metrics'] }, undefined, undefined],
  ])('hears of %s', async (_who, options, user, groups) => {
    const { upstream, received } = await recorder();
    const exposition = exposed(upstream, { identityHeaders: {} });
    const filter = await listenFilter(exposition, {
      ...options,
      authorizers: [{ name: 'all', authorize: () => Promise.resolve({ decision: 'allow', reason: '' }) }],
    });
    const { status } = await scrape(filter, { Authorization: [], 'X-Remote-User': 'mallory' });
    expect(status).toBe(200);
    expect([received[0]?.['x-remote-user'], received[0]?.['x-remote-groups']]).toEqual([user, groups]);
  });

  it('hears it through a filter of series, too', async () => {
    const { upstream, received } = await recorder();
    const exposition = exposed(upstream, { identityHeaders: {} });
    const filter = await listenFilter(filteredExposition(exposition, { dropMetrics: ['b'] }));
    await scrape(filter);
    expect(received[0]?.['x-remote-user']).toBe('root-admin');
  });

  it.each([
    ['a group that would be two', 'alice', ['a|b'], /: one of the scraper's groups holds the separator$/],
    ['a name that ends the line', 'alice\r\nX-Remote-Groups: wheel', [], /: the scraper's name cannot stand/],
    ['a name in Latin-1, which others read as UTF-8', 'Ã¼', [], /: the scraper's name cannot stand/],
    ['a name beyond Latin-1', '李', [], /: the scraper's name cannot stand/],
    ['a name that begins with a blank', ' alice', [], /: the scraper's name cannot stand/],
    ['no name', '', [], /: the scraper's name cannot stand/],
    ['a group that ends with a blank', 'alice', ['a '], /: one of the scraper's groups cannot stand/],
    ['an empty group', 'alice', ['a', ''], /: one of the scraper's groups cannot stand/],
    ['groups without end', 'alice', ['a'.repeat(40_000)], /: the scraper's name or groups are longer than/],
  ])('is not asked where it could not be told: %s', async (_which, name, groups, message) => {
    const { upstream, received } = await recorder();
    const exposition = exposed(upstream, { identityHeaders: {} });
    const filter = await listenFilter(exposition, {
      authenticators: [
        {
          name: 'any',
          authenticate: () =>
            Promise.resolve({ kind: 'authenticated', identity: { name, groups, extra: {} } }),
        },
      ],
      authorizers: [{ name: 'all', authorize: () => Promise.resolve({ decision: 'allow', reason: '' }) }],
    });
    const { status, body } = await scrape(filter);
    expect([status, body.toString(), received.length]).toEqual([502, 'Bad Gateway\n', 0]);
    expect(failures[0]?.message).toMatch(message);
    expect(failures[0]?.message).not.toMatch(/alice|wheel|\n/);
  });
});

describe('identity headers', () => {
  it('say for every identity what can be read back, or nothing', () => {
    const groupsSeparator = fc.constantFrom('|', '||', ',', ', ', '--', 'ab');
    const name = fc.oneof(
      fc.string({ unit: anyCharacter, maxLength: 12 }),
      fc.string({ unit: fc.constantFrom('a', 'b', '|', ',', ' ', '-'), maxLength: 6 }),
    );
    fc.assert(
      fc.property(groupsSeparator, name, fc.array(name, { maxLength: 5 }), (separator, user, groups) => {
        let told: Readonly<Record<string, string>>;
        try {
          told = identityWriter({ groupsSeparator: separator })({ name: user, groups });
        } catch (error) {
          expect(error).toBeInstanceOf(UpstreamError);
          return;
        }
        const { 'x-remote-user': saidUser = '', 'x-remote-groups': saidGroups = '' } = told;
        // As HTTP leaves it on the way.
        const arrived = saidGroups.replace(/^[ \t]+|[ \t]+$/g, '');
        expect(saidUser.trim()).toBe(user);
        expect(arrived === '' ? [] : arrived.split(separator)).toEqual(groups);
        expect(saidUser + saidGroups).toMatch(/^[\x20-\x7e]*$/);
      }),
      { numRuns: 500 },
    );
  });

  it.each<[IdentityHeaders, RegExp]>([
    [{ userField: '' }, /^userField: "" is not a header field name$/],
    [{ userField: 'x remote' }, /^userField: "x remote" is not a header field name$/],
    [{ groupsField: 'x:y' }, /^groupsField: "x:y" is not a header field name$/],
    [{ groupsField: 'x\r\ny' }, /^groupsField: .* is not a header field name$/],
    [{ userField: 'ü' }, /^userField: "ü" is not a header field name$/],
    ...words('Authorization host Connection TE Transfer-Encoding Content-Length Cookie Accept').map(
      (userField): [IdentityHeaders, RegExp] => [{ userField }, /^userField: "[\w-]+" has another meaning$/],
    ),
    [{ userField: 'X-Remote-Groups' }, /^groupsField: is also the field of the user$/],
    [{ groupsSeparator: '' }, /^groupsSeparator: must be 1 to 8 characters of printable ASCII$/],
    [{ groupsSeparator: '\n' }, /^groupsSeparator: must be/],
    [{ groupsSeparator: '|'.repeat(9) }, /^groupsSeparator: must be/],
  ])('%j cannot be used', (identityHeaders, message) => {
    expect(() => identityWriter(identityHeaders)).toThrow(message);
    expect(() => upstreamExposition({ url: 'http://127.0.0.1', identityHeaders })).toThrow(
      IdentityHeadersError,
    );
  });
});
