import { describe, expect, it } from 'vitest';
import type { GivenOptions } from '../../src/options/option.js';
import { upstreamHeadersOf } from '../../src/options/upstream-request-options.js';

const enabled = { authHeaderFieldsEnabled: true as const };
const identityHeadersOf = (values: GivenOptions, urls: readonly string[], showsCertificate: boolean) =>
  upstreamHeadersOf(values, urls, showsCertificate).identityHeaders;
const loopback = ['http://127.0.0.1:8080/metrics'];

describe('the identity headers of the flags', () => {
  it('are none unless they are enabled', () => {
    expect(identityHeadersOf({}, loopback, false)).toBeUndefined();
    expect(identityHeadersOf({ authHeaderFieldsEnabled: 'false' }, [], false)).toBeUndefined();
  });

  it('have kube-rbac-proxy’s names', () => {
    const headers = { userField: 'x-remote-user', groupsField: 'x-remote-groups', groupsSeparator: '|' };
    expect(identityHeadersOf(enabled, loopback, false)).toEqual(headers);
    expect(identityHeadersOf({ authHeaderFieldsEnabled: 'true' }, loopback, false)).toEqual(headers);
  });

  it('or those given', () => {
    const given = {
      ...enabled,
      authHeaderUserFieldName: 'X-User',
      authHeaderGroupsFieldName: 'X-Groups',
      authHeaderGroupsFieldSeparator: ',',
    };
    expect(identityHeadersOf(given, loopback, false)).toEqual({
      userField: 'X-User',
      groupsField: 'X-Groups',
      groupsSeparator: ',',
    });
  });

  it.each<[string, boolean, boolean]>([
    ['http://127.0.0.1', false, true],
    ['http://127.9.9.9:1/metrics', false, true],
    ['http://[::1]:8080', false, true],
    ['http://localhost:8080', false, true],
    ['http://LOCALHOST', false, true],
    ['https://app.shop.svc:8443', true, true],
    ['https://app.shop.svc:8443', false, false],
    ['http://app.shop.svc:8080', true, false],
    ['http://127.example.org', false, false],
    ['http://localhost.example.org', false, false],
    ['http://10.0.0.1', true, false],
    ['http://[::2]', true, false],
  ])('are sent to %s, with a client certificate: %s: %s', (url, showsCertificate, expected) => {
    const asked = (): unknown => identityHeadersOf(enabled, [...loopback, url], showsCertificate);
    if (expected) expect(asked()).toBeDefined();
    else {
      expect(asked).toThrow(
        /^--auth-header-fields-enabled: needs an --upstream on a loopback address, or an https one with/,
      );
    }
  });
});
