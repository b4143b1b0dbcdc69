import fc from 'fast-check';
import { expect, it } from 'vitest';
import { tokenClaiming } from '../../support/review-server.js';
import { withoutToken } from '../../../src/authentication/tokens/token-review-answer.js';

const token = tokenClaiming({ iss: 'https://issuer.example', sub: 'me' });
const [, , signature = ''] = token.split('.');

it.each([
  ['[invalid bearer token, service account token has expired]', undefined],
  ['', undefined],
  [`no such token "${token}", sorry`, 'no such token "[token]", sorry'],
  [`${token}${token}`, '[token][token]'],
  [`signature ${signature} is wrong`, 'signature [token] is wrong'],
  [`signature=${signature.slice(3, 11)}… is wrong`, '[token] is wrong'],
  [`cut: ${signature.slice(0, 7)}`, `cut: ${signature.slice(0, 7)}`],
])('%j', (text, expected = text) => {
  expect(withoutToken(text, token)).toBe(expected);
});

it('leaves no eight characters of a token in any text', () => {
  const tokens = fc.stringMatching(/^[a-cX-Z019_.-]{8,40}$/);
  fc.assert(
    fc.property(tokens, fc.nat(32), fc.string(), fc.string(), (secret, start, before, behind) => {
      const piece = secret.slice(Math.min(start, secret.length - 8));
      const text = withoutToken(`${before}${piece}${behind}`, secret);
      for (let at = 0; at + 8 <= secret.length; at += 1) {
        expect(text).not.toContain(secret.slice(at, at + 8));
      }
    }),
  );
});

it('does not search for long, whatever the token and the text about it are made of', () => {
  const long = 'a'.repeat(32_000);
  const text = 'baaaaaaa'.repeat(64);
  const durations = Array.from({ length: 20 }, () => {
    const startedAt = performance.now();
    expect(withoutToken(text, long)).toBe(text);
    return performance.now() - startedAt;
  });
  // The quickest of them: others may have the processor meanwhile.
  expect(Math.min(...durations)).toBeLessThan(5);
});
