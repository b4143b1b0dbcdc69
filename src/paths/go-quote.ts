const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const named: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};
const needsNothing = /^[ !#-[\]-~]*$/;

/** A string as Go's `%q` prints it, which is how Kubernetes puts names into messages. */
export function goQuote(text: string): string {
  if (needsNothing.test(text)) return `"${text}"`;
  let quoted = '';
  for (const character of text.toWellFormed()) quoted += named[character] ?? escapeUnprintable(character);
  return `"${quoted}"`;
}

function escapeUnprintable(character: string): string {
  if (printable.test(character)) return character;
  const code = character.codePointAt(0) ?? 0xfffd;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}
