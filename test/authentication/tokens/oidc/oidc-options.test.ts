import { describe, expect, it } from 'vitest';
import {
  oidcAuthenticator,
  oidcConfiguration,
  type OidcOptions,
} from '../../../../src/authentication/tokens/oidc/oidc.js';
import { OidcOptionError } from '../../../../src/authentication/authentication-errors.js';

const given: OidcOptions = { issuerUrl: 'https://issuer.example/a', clientId: 'metrics' };

describe('options of OpenID Connect', () => {
  it.each<[Partial<OidcOptions>, string]>([
    [{}, 'https://issuer.example/a#'],
    [{ usernameClaim: 'name' }, 'https://issuer.example/a#'],
    [{ usernameClaim: 'email' }, ''],
    [{ usernamePrefix: '' }, 'https://issuer.example/a#'],
    [{ usernamePrefix: '-' }, ''],
    [{ usernamePrefix: '-', usernameClaim: 'email' }, ''],
    [{ usernamePrefix: 'oidc:', usernameClaim: 'email' }, 'oidc:'],
    [{ usernamePrefix: '--' }, '--'],
  ])('%j put %j before user names, as with kube-apiserver', (options, usernamePrefix) => {
    expect(oidcConfiguration({ ...given, ...options }).mapping).toMatchObject({ usernamePrefix });
  });

  it('have the defaults of kube-apiserver', () => {
    expect(oidcConfiguration(given)).toEqual({
      issuerUrl: 'https://issuer.example/a',
      clientId: 'metrics',
      mapping: {
        usernameClaim: 'sub',
        usernamePrefix: 'https://issuer.example/a#',
        groupsClaim: undefined,
        groupsPrefix: '',
        requiredClaims: new Map(),
      },
      signingAlgorithms: new Set(['RS256']),
    });
  });

  it.each<[Partial<OidcOptions>, keyof OidcOptions, RegExp]>([
    [{ issuerUrl: '' }, 'issuerUrl', /must be an https URL/],
    [{ issuerUrl: 'http://127.0.0.1' }, 'issuerUrl', /must be an https URL/],
    [{ issuerUrl: 'https://user:secret@issuer.example' }, 'issuerUrl', /must be an https URL/],
    [{ issuerUrl: 'https://issuer.example/#a' }, 'issuerUrl', /must be an https URL/],
    [{ issuerUrl: 'https://issuer.example/?a' }, 'issuerUrl', /must have no query/],
    [{ clientId: '' }, 'clientId', /must not be empty/],
    [{ clientId: ' ' }, 'clientId', /must not be empty/],
    [{ requiredClaims: { tenant: '' } }, 'requiredClaims', /the value of "tenant" is empty/],
    [{ requiredClaims: { tenant: 'a', team: ' ' } }, 'requiredClaims', /the value of "team" is empty/],
    [{ usernameClaim: '' }, 'usernameClaim', /must not be empty/],
    [{ groupsClaim: '' }, 'groupsClaim', /must not be empty/],
    [{ groupsClaim: '\t' }, 'groupsClaim', /must not be empty/],
    [{ usernamePrefix: 'system:' }, 'usernamePrefix', /must not begin with system:/],
    [{ groupsClaim: 'g', groupsPrefix: 'system:oidc:' }, 'groupsPrefix', /must not begin with system:/],
    [{ requiredClaims: { '': 'x' } }, 'requiredClaims', /a name is empty/],
    [{ signingAlgorithms: [] }, 'signingAlgorithms', /must name an algorithm/],
    [{ signingAlgorithms: ['RS256', 'HS256'] }, 'signingAlgorithms', /"HS256" is none of RS256, RS384/],
    [{ signingAlgorithms: ['none'] }, 'signingAlgorithms', /"none" is none of/],
    [{ signingAlgorithms: ['EdDSA'] }, 'signingAlgorithms', /"EdDSA" is none of/],
    [{ signingAlgorithms: ['rs256'] }, 'signingAlgorithms', /"rs256" is none of/],
  ])('%j are refused, and %s is named', (options, option, fault) => {
    let error: unknown;
    try {
      oidcAuthenticator({ ...given, ...options }).close();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(OidcOptionError);
    expect(error).toMatchObject({
      code: 'ERR_OIDC_OPTION',
      option,
      fault: expect.stringMatching(fault) as string,
    });
    expect((error as Error).message).not.toContain('secret');
  });
});
