import { Composer, isScalar, LineCounter, Parser, visit, type CST, type Document } from 'yaml';

export type YamlReading =
  | { readonly kind: 'value'; readonly value: unknown }
  /** Where and what, without a word of the text: the parser's own messages quote it. */
  | { readonly kind: 'fault'; readonly fault: string };

/** The composer recurses. */
const maxDepth = 64;
/** Each is a node in memory. */
const maxValues = 50_000;
/** What an alias stands for is looked up in the whole document each time. */
const maxAliases = 100;

/** The only document of a YAML (or JSON) text, as plain values. Merge keys are followed; keys are strings. */
export function readYaml(text: string): YamlReading {
  const lines = new LineCounter();
  const at = (offset: number): string => `line ${Math.max(1, lines.linePos(offset).line)}`;
  const composer = new Composer({ merge: true, stringKeys: true, uniqueKeys: false, logLevel: 'error' });
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  const limit = exceededLimit(tokens);
  if (limit !== undefined) return fault(limit);
  const [document, next] = [...composer.compose(tokens)];
  if (document === undefined) return fault('is empty');
  if (next !== undefined) return fault(`holds a second document on ${at(next.range[0])}`);
  const [error] = document.errors;
  if (error !== undefined) return fault(`is not YAML on ${at(error.pos[0])} (${error.code})`);
  const repeated = repeatedKey(document);
  if (repeated !== undefined) return fault(`holds a key twice in one object, on ${at(repeated)}`);
  return toPlainValue(document);
}

function fault(text: string): YamlReading {
  return { kind: 'fault', fault: text };
}

function toPlainValue(document: Document.Parsed): YamlReading {
  try {
    // As JSON, it is a tree without circles, and holds no slices of the whole text.
    const json = JSON.stringify(document.toJS({ maxAliasCount: maxAliases }));
    const value: unknown = JSON.parse(json);
    return value === null ? fault('is empty') : { kind: 'value', value };
  } catch {
    return fault('holds an alias that cannot be followed');
  }
}

/** Where one stands; looked for here because the composer compares each key with each. */
function repeatedKey(document: Document.Parsed): number | undefined {
  let found: number | undefined;
  visit(document, {
    Map(_, { items }) {
      const names = new Set<string>();
      for (const { key } of items) {
        // A merge key is a symbol and may be repeated.
        if (!isScalar(key) || typeof key.value !== 'string') continue;
        if (names.has(key.value)) {
          found = key.range?.[0] ?? 0;
          return visit.BREAK;
        }
        names.add(key.value);
      }
      return undefined;
    },
  });
  return found;
}

/** Walks the tokens without recursion. */
function exceededLimit(tokens: readonly CST.Token[]): string | undefined {
  const pending = tokens.map((token) => ({ token, depth: 0 }));
  let values = 0;
  let aliases = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { token, depth } = next;
    values += 1;
    if (token.type === 'alias') aliases += 1;
    if (values > maxValues) return `holds more than ${maxValues} values`;
    if (aliases > maxAliases) return `holds more than ${maxAliases} aliases`;
    if (depth > maxDepth) return `is nested deeper than ${maxDepth} levels`;
    for (const inner of innerTokens(token)) pending.push({ token: inner, depth: depth + 1 });
  }
  return undefined;
}

function innerTokens(token: CST.Token): readonly CST.Token[] {
  if (token.type === 'document') return token.value === undefined ? [] : [token.value];
  if (!('items' in token)) return [];
  return token.items.flatMap(({ key, value }) => [key ?? [], value ?? []].flat());
}
