import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encoded, type Json } from './signed-jwt.js';
import { maxTokenBytes, unverifiedClaims } from '../../../../src/authentication/tokens/jwt/jwt-parts.js';

const nothing = { issuer: undefined, expires: undefined };
const claiming = (payload: Json): string => `e30.${encoded(payload)}.c2lnbmF0dXJl`;

describe('the claims of a token that is not verified yet', () => {
  it.each<[string, ReturnType<typeof unverifiedClaims>]>([
    [claiming({ iss: 'https://a', exp: 7 }), { issuer: 'https://a', expires: 7 }],
    [claiming({ iss: 'https://a' }), { issuer: 'https://a', expires: undefined }],
    [claiming({ iss: ['https://a'], exp: '7' }), nothing],
    [claiming('{"exp":1e400}'), nothing],
    [claiming('{"\\u0069ss":"a\\/b"}'), { issuer: 'a/b', expires: undefined }],
    [claiming('null'), nothing],
    [claiming('{'), nothing],
    ['opaque', nothing],
    [`${claiming({ iss: 'a' })}.x`, nothing],
    [claiming({ iss: 'a', pad: 'x'.repeat(maxTokenBytes) }), nothing],
  ])('of %.60s are %j', (token, claims) => {
    expect(unverifiedClaims(token)).toEqual(claims);
  });

  it('are not parsed with more than 1,024 parts, each of which takes its time', () => {
    const having = (lists: number): string =>
      claiming({ iss: 'a', l: Array.from({ length: lists }, () => []) });
    // The object, its two members and the outer list are four of them.
    expect(unverifiedClaims(having(1020))).toMatchObject({ issuer: 'a' });
    expect(unverifiedClaims(having(1021))).toEqual(nothing);
    const nested = (depth: number): string =>
      claiming(`{"iss":"a","l":${'['.repeat(depth)}${']'.repeat(depth)}}`);
    expect(unverifiedClaims(nested(11_000))).toEqual(nothing);
  });

  it('may hold text as long as it likes, brackets and colons in it included', () => {
    const text = '"\\":[{'.repeat(3000);
    expect(unverifiedClaims(claiming({ iss: 'a', text }))).toMatchObject({ issuer: 'a' });
  });

  it('are never thrown', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json().map(claiming), fc.string().map(claiming)), (token) => {
        unverifiedClaims(token);
      }),
    );
  });
});
