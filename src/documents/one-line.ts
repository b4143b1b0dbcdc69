/** Text from elsewhere as one line of at most `maxLength` characters, control characters escaped. */
export function oneLine(text: string, maxLength = 512): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
  const escaped = cut
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => `\\u${hex(character.codePointAt(0) ?? 0)}`);
  return escaped.length > maxLength ? `${escaped.slice(0, maxLength - 1)}…` : escaped;
}

function hex(codePoint: number): string {
  const digits = codePoint.toString(16).padStart(4, '0');
  return digits.length > 4 ? `{${digits}}` : digits;
}
