import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  claimedIdentity,
  type ClaimMapping,
} from '../../../../src/authentication/tokens/oidc/oidc-claims.js';
import { claimed as told } from '../told.js';

const issuer = 'https://issuer.example';
const plain: ClaimMapping = {
  usernameClaim: 'sub',
  usernamePrefix: `${issuer}#`,
  groupsClaim: 'groups',
  groupsPrefix: '',
  requiredClaims: new Map(),
};
const byEmail: Partial<ClaimMapping> = { usernameClaim: 'email', usernamePrefix: '' };
const alice = { sub: 'alice' };
const email = 'alice@example.com';

const textsIn = (claim: unknown): ReadonlySet<unknown> => new Set([claim].flat());

type Claims = Readonly<Record<string, unknown>>;
type Case = readonly [claims: Claims, mapping: Partial<ClaimMapping>];

function identified(...[claims, mapping]: Case): unknown {
  const claimed = told(() => claimedIdentity(claims, { ...plain, ...mapping }));
  return claimed.kind === 'identity'
    ? { name: claimed.identity.name, groups: claimed.identity.groups }
    : claimed;
}

describe('claims', () => {
  it.each<[...Case, string, readonly string[]]>([
    [alice, {}, `${issuer}#alice`, []],
    [alice, { usernamePrefix: '' }, 'alice', []],
    [{ sub: 'ster:x' }, { usernamePrefix: 'sy' }, 'syster:x', []],
    [{ sub: 'system:x' }, {}, `${issuer}#system:x`, []],
    [{ sub: ' alice\n' }, { usernamePrefix: '' }, ' alice\n', []],
    [{ name: 'Alice', sub: 'x' }, { usernameClaim: 'name' }, `${issuer}#Alice`, []],
    [{ email }, byEmail, email, []],
    [{ email, email_verified: true }, byEmail, email, []],
    [{ sub: 'alice', email_verified: false }, {}, `${issuer}#alice`, []],
    [{ ...alice, groups: 'a' }, {}, `${issuer}#alice`, ['a']],
    [{ ...alice, groups: ['a', 'b', 'a'] }, {}, `${issuer}#alice`, ['a', 'b', 'a']],
    [{ ...alice, groups: ['a', ''] }, { groupsPrefix: 'oidc:' }, `${issuer}#alice`, ['oidc:a']],
    [
      { ...alice, groups: 'system:masters' },
      { groupsPrefix: 'oidc:' },
      `${issuer}#alice`,
      ['oidc:system:masters'],
    ],
    [{ ...alice, groups: [] }, {}, `${issuer}#alice`, []],
    [{ ...alice, groups: null }, {}, `${issuer}#alice`, []],
    [{ ...alice, groups: ['a'] }, { groupsClaim: undefined }, `${issuer}#alice`, []],
    [{ ...alice, groups: 7 }, { groupsClaim: undefined }, `${issuer}#alice`, []],
    [{ ...alice, _claim_names: { groups: 's' } }, { groupsClaim: undefined }, `${issuer}#alice`, []],
    [{ ...alice, _claim_names: { groups: 's' }, groups: ['a'] }, {}, `${issuer}#alice`, ['a']],
    [{ ...alice, _claim_names: { address: 's' } }, {}, `${issuer}#alice`, []],
    [
      { ...alice, hd: 'x', team: '' },
      {
        requiredClaims: new Map([
          ['hd', 'x'],
          ['team', ''],
        ]),
      },
      `${issuer}#alice`,
      [],
    ],
  ])('%j with %j are the user %j of the groups %j', (claims, mapping, name, groups) => {
    expect(identified(claims, mapping)).toEqual({ name, groups });
  });

  const hd = (value: string) => ({ requiredClaims: new Map([['hd', value]]) });
  const refused: Readonly<Record<string, readonly Case[]>> = {
    'the user name\'s claim "sub" is no text, or empty': [
      [{}, {}],
      [{ sub: '' }, {}],
      [{ sub: 7 }, {}],
      [{ sub: null }, {}],
      [{ sub: ['alice'] }, {}],
    ],
    'the user name\'s claim "toString" is no text, or empty': [[alice, { usernameClaim: 'toString' }]],
    'the user name begins with system:': [
      [{ sub: 'system:admin' }, { usernamePrefix: '' }],
      [{ sub: 'tem:admin' }, { usernamePrefix: 'sys' }],
      [{ email: 'system:admin' }, byEmail],
    ],
    'the email address is not verified': [
      [{ email, email_verified: false }, byEmail],
      [{ email, email_verified: 'true' }, byEmail],
      [{ email, email_verified: null }, byEmail],
    ],
    "a group's name begins with system:": [
      [{ ...alice, groups: ['a', 'system:masters'] }, {}],
      [{ ...alice, groups: 'system:' }, {}],
      [{ ...alice, groups: 'tem:masters' }, { groupsPrefix: 'sys' }],
    ],
    'the groups\' claim "groups" is neither text nor a list of texts': [
      [{ ...alice, groups: ['a', 7] }, {}],
      [{ ...alice, groups: { a: 'b' } }, {}],
      [{ ...alice, groups: true }, {}],
    ],
    'the groups\' claim "groups" stands elsewhere, and is not fetched': [
      [{ ...alice, _claim_names: { groups: 's' }, _claim_sources: { s: { endpoint: issuer } } }, {}],
      [{ ...alice, _claim_names: 'x' }, {}],
    ],
    'there is no required claim "hd"': [[alice, hd('x')]],
    'there is no required claim "valueOf"': [[alice, { requiredClaims: new Map([['valueOf', 'x']]) }]],
    'the required claim "hd" has another value': [
      [{ ...alice, hd: 'y' }, hd('x')],
      [{ ...alice, hd: ['x'] }, hd('x')],
      [{ ...alice, hd: 1 }, hd('1')],
    ],
  };
  it.each(
    Object.entries(refused).flatMap(([reason, cases]) => cases.map((each) => [...each, reason] as const)),
  )('%j with %j are refused: %s', (claims, mapping, reason) => {
    expect(identified(claims, mapping)).toEqual({ kind: 'refused', reason });
  });

  it.each([
    [{ ...alice, jti: 'id' }, { 'authentication.kubernetes.io/credential-id': ['JTI=id'] }],
    [{ ...alice, jti: '' }, {}],
    [{ ...alice, jti: 7 }, {}],
    [alice, {}],
  ])('%j tell the extra %j, and all of it is frozen', (claims, extra) => {
    const identity = claimedIdentity(claims, plain);
    expect(identity).toMatchObject({ extra });
    const parts = [identity, identity.groups, identity.extra, ...Object.values(identity.extra)];
    expect(parts.every((part) => Object.isFrozen(part))).toBe(true);
  });

  it('give an identity only where kubernetes would, and never one of the API server itself', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('system:masters', 'system:', 'sys', 'tem:x', ''));
    const value = fc.oneof(text, fc.array(text), fc.jsonValue());
    const claims = fc.dictionary(
      fc.constantFrom('sub', 'email', 'email_verified', 'groups', 'jti', 'hd', '_claim_names', '__proto__'),
      fc.oneof(value, fc.boolean(), fc.dictionary(fc.constantFrom('groups', 'x'), fc.string())),
    );
    const mapping = fc.record({
      usernameClaim: fc.constantFrom('sub', 'email', 'constructor'),
      usernamePrefix: fc.constantFrom('', 'sys', 'oidc:'),
      groupsClaim: fc.constantFrom('groups', undefined),
      groupsPrefix: fc.constantFrom('', 'sys', 'oidc:'),
      requiredClaims: fc.constantFrom(new Map<string, string>(), new Map([['hd', 'x']])),
    });
    fc.assert(
      fc.property(claims, mapping, (given, how) => {
        const claimed = told(() => claimedIdentity(given, how));
        if (claimed.kind === 'refused') return claimed.reason !== '' && !claimed.reason.includes('\n');
        const { name, groups } = claimed.identity;
        const user = given[how.usernameClaim];
        const mail = given['email_verified'];
        return (
          typeof user === 'string' &&
          user !== '' &&
          name === `${how.usernamePrefix}${user}` &&
          [name, ...groups].every((text) => !text.startsWith('system:')) &&
          groups.every((group) => textsIn(given['groups']).has(group.slice(how.groupsPrefix.length))) &&
          (how.usernameClaim !== 'email' || mail === undefined || mail === true) &&
          (how.requiredClaims.size === 0 || given['hd'] === 'x')
        );
      }),
      { numRuns: 2_000 },
    );
  });
});
