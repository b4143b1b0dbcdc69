export type PlainValue = string | number | null | readonly string[] | PlainObject;

export interface PlainObject {
  readonly [key: string]: PlainValue;
}

/** A line goes on below at the first single blank behind this column. */
const width = 80;
/** What a reader of YAML 1.1 takes for something else than text. */
const noText =
  /^(?:|~|<<|null|true|false|yes|no|on|off|y|n|[-+]?(?:0[box][\da-f_]+|\.?\d[\d_]*(?:\.[\d_]*)?(?:e[-+]?\d+)?|\.inf|\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?)|\.nan|\d{4}-\d\d?-\d\d?(?:[t ]\d\d?:[\d:.]+(?:z|[-+]\d\d:\d\d)?)?)$/i;
const needsEscapes = /[^\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/u;
const needsQuotes = /^(?:[-?:](?: |$)|[#,[\]{}&*!|>'"%@`]|---|\.\.\.| )|: |:$| #| $/;

/** An object as Kubernetes writes it in YAML (sigs.k8s.io/yaml): keys in order, each on its line. */
export function yamlOf(object: PlainObject, indent = ''): string {
  const below = `${indent}  `;
  const line = (start: string, value: string | number | null): string =>
    `${start} ${folded(scalar(value), start.length + 1, below)}\n`;
  return Object.entries(object)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => {
      const name = `${indent}${scalar(key)}:`;
      if (isList(value)) {
        if (value.length === 0) return `${name} []\n`;
        return `${name}\n${value.map((item) => line(`${indent}-`, item)).join('')}`;
      }
      if (value === null || typeof value !== 'object') return line(name, value);
      return Object.keys(value).length === 0 ? `${name} {}\n` : `${name}\n${yamlOf(value, below)}`;
    })
    .join('');
}

function isList(value: PlainValue): value is readonly string[] {
  return Array.isArray(value);
}

function scalar(value: string | number | null): string {
  if (typeof value !== 'string') return String(value);
  if (needsEscapes.test(value) || noText.test(value)) return doubleQuoted(value);
  return needsQuotes.test(value) ? `'${value.replaceAll("'", "''")}'` : value;
}

/** JSON's escapes are YAML's, which wants some more of them. */
function doubleQuoted(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\u{10000}-\u{10ffff}]/gu,
    (character) => {
      const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
      return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`;
    },
  );
}

/** `column`: where the text begins. */
function folded(text: string, column: number, indent: string): string {
  if (column + text.length <= width) return text;
  const last = text.length - 2;
  return text.replace(/./gsu, (character, at: number) => {
    const isSingle = character === ' ' && text[at - 1] !== ' ' && text[at + 1] !== ' ';
    const breaks = isSingle && column > width && at < last;
    column = breaks ? indent.length : column + 1;
    return breaks ? `\n${indent}` : character;
  });
}
