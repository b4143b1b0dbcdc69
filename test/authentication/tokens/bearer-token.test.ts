import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHash } from 'node:crypto';
import { anyCharacter } from '../../support/any-character.js';
import { TokenCache, tokenDigest } from '../../../src/authentication/tokens/bearer-token.js';

function setting(limit = 3) {
  const clock = { now: 1_000_000 };
  const cache = new TokenCache<string>(limit, () => clock.now);
  return {
    clock,
    cache,
    put: (token: string, validUntil = Infinity) => {
      cache.set(cache.keyOf(token), `of ${token}`, validUntil);
    },
    get: (token: string) => cache.get(cache.keyOf(token)),
  };
}

describe('what is known of tokens', () => {
  it('is known of those tokens alone', () => {
    const { put, get } = setting();
    put('one');
    expect([get('one'), get('two'), get(''), get('One')]).toEqual([
      'of one',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('is known until it is valid no more, that moment excluded', () => {
    const { clock, put, get } = setting();
    put('one', clock.now + 1000);
    clock.now += 999;
    expect(get('one')).toBe('of one');
    clock.now += 0.999;
    expect(get('one')).toBe('of one');
    clock.now = 1_001_000;
    expect(get('one')).toBeUndefined();
  });

  it.each([
    ['now', 0],
    ['before', -1],
    ['at no time', NaN],
    ['never', -Infinity],
  ])('is not known where it is valid until %s', (_, after) => {
    const { clock, put, get } = setting();
    put('one', clock.now + after);
    expect(get('one')).toBeUndefined();
  });

  it('may be known for ever', () => {
    const { clock, put, get } = setting();
    put('one');
    clock.now = Number.MAX_SAFE_INTEGER;
    expect(get('one')).toBe('of one');
  });

  it('is what was found out last', () => {
    const { cache, clock, put, get } = setting();
    put('one');
    cache.set(cache.keyOf('one'), 'other', clock.now + 1);
    expect([get('one'), cache.size]).toEqual(['other', 1]);
    clock.now += 1;
    expect(get('one')).toBeUndefined();
  });

  it('is all forgotten at once', () => {
    const { cache, put, get } = setting();
    put('one');
    put('two');
    cache.clear();
    expect([get('one'), get('two'), cache.size]).toEqual([undefined, undefined, 0]);
  });

  it('is as much as the limit allows; the token that came the longest ago is forgotten', () => {
    const { cache, put, get } = setting(3);
    for (const token of ['one', 'two', 'three']) put(token);
    get('one');
    put('four');
    expect(['one', 'two', 'three', 'four'].map(get)).toEqual(['of one', undefined, 'of three', 'of four']);
    expect(cache.size).toBe(3);
  });

  it('is kept by keys that no other cache has', () => {
    const [one, other] = [setting(), setting()];
    one.put('token');
    const key = one.cache.keyOf('token');
    expect(other.cache.keyOf('token')).not.toBe(key);
    expect(other.cache.get(key)).toBeUndefined();
    expect(one.cache.get(key)).toBe('of token');
  });

  it('is kept without the token', () => {
    const token = 'secret-token-of-prometheus';
    const cache = new TokenCache<string>(3);
    const key = cache.keyOf(token);
    cache.set(key, 'known', Infinity);
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    for (const shown of [cache, key, { key }]) {
      expect(inspect(shown, { showHidden: true, depth: Infinity })).not.toContain('secret');
    }
  });

  it('is never more than the limit, and never of another token, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(
          fc.record({
            token: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'),
            lifetime: fc.integer({ min: -1, max: 4 }),
            passes: fc.integer({ min: 0, max: 2 }),
          }),
        ),
        (limit, steps) => {
          const { cache, clock, put, get } = setting(limit);
          const validUntil = new Map<string, number>();
          for (const { token, lifetime, passes } of steps) {
            clock.now += passes;
            put(token, clock.now + lifetime);
            validUntil.set(token, clock.now + lifetime);
            expect(cache.size).toBeLessThanOrEqual(limit);
            expect(get(token)).toBe(lifetime > 0 ? `of ${token}` : undefined);
            for (const [known, until] of validUntil) {
              expect([undefined, ...(clock.now < until ? [`of ${known}`] : [])]).toContain(get(known));
            }
          }
        },
      ),
    );
  });
});

const token = 'secret-token-of-prometheus';

describe('the digest of a token', () => {
  it('is the same for the same token, and another for every other', () => {
    const digest = tokenDigest();
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), fc.string({ unit: anyCharacter }), (one, other) => {
        // What is no Unicode all becomes U+FFFD, and no header can carry it.
        fc.pre(one.isWellFormed() && other.isWellFormed());
        expect(digest(one) === digest(other)).toBe(one === other);
        expect(digest(one)).toBe(digest(one));
      }),
    );
  });

  it.each([
    ['a character more', `${token}!`],
    ['a character less', token.slice(0, -1)],
    ['another case', token.toUpperCase()],
    ['a blank around it', ` ${token}`],
    ['the same bytes in another coding', Buffer.from(`${token}é`).toString('latin1')],
  ])('is another with %s', (_, other) => {
    const digest = tokenDigest();
    expect(digest(other)).not.toBe(digest(`${token}é`));
    expect(digest(other)).not.toBe(digest(token));
  });

  it('is that of one table: another table’s, and that of the token alone, are others', () => {
    const [one, other] = [tokenDigest()(token), tokenDigest()(token)];
    const unsalted = createHash('sha256').update(token).digest('hex');
    expect(new Set([one, other, unsalted]).size).toBe(3);
  });

  it('is of one length, and shows nothing of the token', () => {
    const digest = tokenDigest();
    for (const text of ['', token, token.repeat(3000)]) expect(digest(text)).toMatch(/^[0-9a-f]{64}$/);
    expect(inspect(digest, { showHidden: true, depth: Infinity })).not.toContain('salt');
  });
});
