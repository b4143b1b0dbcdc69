import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GivenOptions } from '../../src/options/option.js';
import { tellsWhoScrapes, upstreamHeadersOf } from '../../src/options/upstream-request-options.js';
import { UsageError } from '../../src/options/usage-error.js';
import { anyCharacter } from '../support/any-character.js';

const loopback = { urls: ['http://127.0.0.1:8080'], showsCertificate: false };
const tenantHeadersOf = (values: GivenOptions, { urls, showsCertificate }: typeof loopback) =>
  upstreamHeadersOf(values, urls, showsCertificate).tenantHeaders;
const given = (...tenantHeader: readonly string[]) => ({ tenantHeader });

describe('the tenant headers of the flags', () => {
  it('are none unless they are given', () => {
    expect(tenantHeadersOf({}, { ...loopback, urls: [] })).toBeUndefined();
    expect([tellsWhoScrapes({}), tellsWhoScrapes(given('x=cn'))]).toEqual([false, true]);
  });

  it('may be several', () => {
    const values = given('X-Tenant=cn', 'X-Team=group:team,of:', 'X-Cell=extra:example.org/cell=1');
    expect(tenantHeadersOf(values, loopback)).toEqual([
      { field: 'X-Tenant', source: { kind: 'name' } },
      { field: 'X-Team', source: { kind: 'group', prefix: 'team,of:' } },
      { field: 'X-Cell', source: { kind: 'extra', key: 'example.org/cell=1' } },
    ]);
  });

  it.each<[string, boolean, boolean]>([
    ['http://localhost:8080', false, true],
    ['https://app.example.org', true, true],
    ['https://app.example.org', false, false],
    ['http://app.example.org', true, false],
  ])('are sent to %s, with a client certificate: %s: %s', (url, showsCertificate, expected) => {
    const asked = (): unknown =>
      tenantHeadersOf(given('x=cn'), { ...loopback, urls: [...loopback.urls, url], showsCertificate });
    if (expected) expect(asked()).toBeDefined();
    else
      expect(asked).toThrow(/^--tenant-header: needs an --upstream on a loopback address, or an https one/);
  });

  it.each<[readonly string[], RegExp]>([
    [[''], /^--tenant-header: "" must be NAME=cn, NAME=group:PREFIX or NAME=extra:KEY$/],
    [['X-Tenant'], /^--tenant-header: "X-Tenant" must be NAME=cn/],
    [['X-Tenant=CN'], /must be NAME=cn/],
    [['X-Tenant=cn '], /must be NAME=cn/],
    [['X-Tenant=group'], /must be NAME=cn/],
    [['X-Tenant=uid:x'], /must be NAME=cn/],
    [['=cn'], /^--tenant-header: "" is not a header field name$/],
    [['Host=cn'], /^--tenant-header: "Host" has another meaning$/],
    [['X=group:'], /^--tenant-header: the prefix of a group is empty$/],
    [['X=group:system:'], /^--tenant-header: every user is in a group that begins with "system:"$/],
    [['X=extra:'], /^--tenant-header: the key of an extra is empty$/],
    [['X=cn', 'x=cn'], /^--tenant-header: x would be sent twice$/],
    [['x-user=cn'], /^--tenant-header: x-user would be sent twice$/],
  ])('%j is a usage error that names the flag', (flags, message) => {
    const identity = { authHeaderFieldsEnabled: true, authHeaderUserFieldName: 'X-User' };
    const asked = (): unknown => tenantHeadersOf({ ...identity, ...given(...flags) }, loopback);
    expect(asked).toThrow(message);
    expect(asked).toThrow(UsageError);
  });

  it('are read whole, or refused in one line', () => {
    const text = fc.oneof(
      fc.string({ unit: anyCharacter, maxLength: 12 }),
      fc
        .tuple(fc.string({ maxLength: 4 }), fc.constantFrom('cn', 'group:t:', 'extra:k'))
        .map((pair) => pair.join('=')),
    );
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 3 }), (flags) => {
        try {
          expect(tenantHeadersOf(given(...flags), loopback)).toHaveLength(flags.length);
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
          expect(error.message).toMatch(/^--tenant-header: [^\n\r]*$/);
        }
      }),
    );
  });
});
