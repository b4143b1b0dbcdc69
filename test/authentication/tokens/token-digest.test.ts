import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenDigest } from '../../../src/authentication/tokens/token-cache.js';
import { anyCharacter } from '../../support/any-character.js';

const token = 'secret-token-of-prometheus';

describe('the digest of a token', () => {
  it('is the same for the same token, and another for every other', () => {
    const digest = new TokenDigest();
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), fc.string({ unit: anyCharacter }), (one, other) => {
        // What is no Unicode all becomes U+FFFD, and no header can carry it.
        fc.pre(one.isWellFormed() && other.isWellFormed());
        expect(digest.of(one) === digest.of(other)).toBe(one === other);
        expect(digest.of(one)).toBe(digest.of(one));
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
    const digest = new TokenDigest();
    expect(digest.of(other)).not.toBe(digest.of(`${token}é`));
    expect(digest.of(other)).not.toBe(digest.of(token));
  });

  it('is that of one table: another table’s, and that of the token alone, are others', () => {
    const [one, other] = [new TokenDigest().of(token), new TokenDigest().of(token)];
    const unsalted = createHash('sha256').update(token).digest('hex');
    expect(new Set([one, other, unsalted]).size).toBe(3);
  });

  it('is of one length, and shows nothing of the token', () => {
    const digest = new TokenDigest();
    for (const text of ['', token, token.repeat(3000)]) expect(digest.of(text)).toMatch(/^[0-9a-f]{64}$/);
    expect(inspect(digest, { showHidden: true, depth: Infinity })).not.toContain('salt');
  });
});
