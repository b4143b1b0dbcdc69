import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { goQuote } from '../../src/paths/request-target.js';
import { anyCharacter } from '../support/any-character.js';

describe('goQuote', () => {
  // Printed by Go's fmt.Sprintf("%q", …).
  it.each([
    ['', '""'],
    ['prometheus', '"prometheus"'],
    ['say "hi"', String.raw`"say \"hi\""`],
    ['a\\b', String.raw`"a\\b"`],
    ['tab\tline\nreturn\r', String.raw`"tab\tline\nreturn\r"`],
    ['\x07\b\f\v', String.raw`"\a\b\f\v"`],
    ['\0\x1b\x7f', String.raw`"\x00\x1b\x7f"`],
    ['\x80\x85', String.raw`"\u0080\u0085"`],
    ['\u00a0\u00ad\u2028\ufeff', String.raw`"\u00a0\u00ad\u2028\ufeff"`],
    ['Zoë 漢字 ñ €', '"Zoë 漢字 ñ €"'],
    ['e\u0301', '"e\u0301"'],
    ['😀', '"😀"'],
    ['\u{e0001}', String.raw`"\U000e0001"`],
    ['\u{10ffff}', String.raw`"\U0010ffff"`],
    ["<script>&'", `"<script>&'"`],
  ])('%j is %s', (text, quoted) => {
    expect(goQuote(text)).toBe(quoted);
  });

  it('never lets a control character or an unescaped quote out', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        expect(goQuote(text)).toMatch(
          /^"(?:[^"\\\p{C}]|\\["\\abfnrtv]|\\x[\da-f]{2}|\\u[\da-f]{4}|\\U[\da-f]{8})*"$/u,
        );
      }),
    );
  });

  it('is the same text for no two well-formed texts', () => {
    const text = fc.string({ unit: anyCharacter });
    fc.assert(fc.property(text, text, (one, other) => (goQuote(one) === goQuote(other)) === (one === other)));
  });
});
