import fc from 'fast-check';

/**
 * Any code point, halves of characters included: `fc.string({ unit: anyCharacter })`. The same as fast-check's unit
 * `binary`, which takes seconds to be made in each file.
 */
export const anyCharacter = fc.integer({ min: 0, max: 0x10_ff_ff }).map(
  (codePoint) => String.fromCodePoint(codePoint),
  (text) => {
    const [character] = typeof text === 'string' ? text : '';
    if (character === undefined || character !== text) throw new TypeError('not one character');
    return character.codePointAt(0) ?? 0;
  },
);
