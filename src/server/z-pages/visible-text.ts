/** Controls, blanks that are none, marks that turn text around, and halves of characters. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const maxLength = 4096;

/**
 * The text on one line, with `\u{…}` in the place of what nobody sees: no value can end a line, steer a terminal or
 * turn what stands behind it around. Cut at 4,096 characters.
 */
export function visibleText(text: string): string {
  const cut = text.length <= maxLength ? text : `${text.slice(0, maxLength)}…`;
  return cut.replace(unseen, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
