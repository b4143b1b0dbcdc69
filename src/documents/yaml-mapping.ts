import {
  LineCounter,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseAllDocuments,
  visit,
  type Document,
  type YAMLMap,
} from 'yaml';

/** Where in the text, in lines from 1. */
export interface Placed<Value> {
  readonly value: Value;
  readonly line: number;
  /** Of a list's items. */
  readonly itemLines: readonly number[];
}

/** All that a field may hold; what is nested deeper is `nested`. */
export type PlainScalar = string | number | boolean | null | typeof nested;
export type PlainValue = PlainScalar | readonly PlainScalar[] | ReadonlyMap<string, PlainScalar>;
export const nested = Symbol('nested');

/** Throws; `line` from 1. */
export type LineFail = (line: number, fault: string) => never;

/** Each is looked for from the beginning of the text. */
const maxAliases = 100;

/**
 * The entries of a text that is one YAML or JSON document, a mapping, in their order. Of YAML 1.2, without tags of
 * one's own. What faults say holds nothing of the text but names of fields.
 */
export function yamlMapping(source: string, fail: LineFail): ReadonlyMap<string, Placed<PlainValue>> {
  try {
    return entriesOf(source, fail);
  } catch (error) {
    // Whoever walks a document calls himself for each level.
    if (error instanceof RangeError) return fail(1, 'is nested too deeply');
    throw error;
  }
}

function entriesOf(source: string, fail: LineFail): ReadonlyMap<string, Placed<PlainValue>> {
  const lines = new LineCounter();
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  const failAt = (offset: number, fault: string): never => fail(lineAt(offset), fault);
  const document = onlyDocument(source, lines, failAt);
  const root = document.contents;
  if (!isMap(root)) return failAt(startOf(root), 'must be a mapping of fields');
  refuseManyAliases(document, failAt);
  const entries = new Map<string, Placed<PlainValue>>();
  for (const [name, node, offset] of pairsOf(root, '', failAt)) {
    const value = resolved(node, document, failAt);
    entries.set(name, {
      value: plainOf(value, name, document, failAt),
      line: lineAt(offset),
      itemLines: isSeq(node) ? node.items.map((item) => lineAt(startOf(item))) : [],
    });
  }
  return entries;
}

type OffsetFail = (offset: number, fault: string) => never;

function onlyDocument(source: string, lineCounter: LineCounter, fail: OffsetFail): Document {
  const [document, second] = parsed(source, lineCounter);
  const [problem] = document === undefined ? [] : [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    return fail(problem.pos[0], `is not YAML: ${problem.code.toLowerCase().replaceAll('_', ' ')}`);
  }
  if (second !== undefined) return fail(second.range[0], 'holds a second document');
  return document === undefined || document.contents === null ? fail(0, 'is empty') : document;
}

function parsed(source: string, lineCounter: LineCounter): readonly Document.Parsed[] {
  const documents = parseAllDocuments(source, {
    lineCounter,
    schema: 'core',
    merge: false,
    resolveKnownTags: false,
    // Quadratic here; `pairsOf` looks for names that stand twice.
    uniqueKeys: false,
    prettyErrors: false,
  });
  return Array.isArray(documents) ? documents : [];
}

function refuseManyAliases(document: Document, fail: OffsetFail): void {
  let count = 0;
  visit(document, {
    Alias: (_, alias) => {
      count += 1;
      if (count > maxAliases) fail(startOf(alias), `has more than ${maxAliases} aliases`);
    },
  });
}

function* pairsOf(
  map: YAMLMap,
  owner: string,
  fail: OffsetFail,
): Generator<readonly [name: string, value: unknown, offset: number]> {
  const names = new Set<string>();
  for (const { key, value } of map.items) {
    const offset = startOf(key);
    if (!isScalar(key) || typeof key.value !== 'string') {
      return fail(offset, `${owner}a name must be a string`);
    }
    if (names.has(key.value)) return fail(offset, `${owner}${shownName(key.value)}: stands there twice`);
    names.add(key.value);
    yield [key.value, value, offset];
  }
}

function plainOf(node: unknown, name: string, document: Document, fail: OffsetFail): PlainValue {
  if (isSeq(node)) return node.items.map((item) => scalarOf(resolved(item, document, fail)));
  if (!isMap(node)) return scalarOf(node);
  const entries = [...pairsOf(node, `${shownName(name)}: `, fail)];
  return new Map(entries.map(([key, value]) => [key, scalarOf(resolved(value, document, fail))]));
}

function resolved(node: unknown, document: Document, fail: OffsetFail): unknown {
  if (!isAlias(node)) return node;
  return node.resolve(document) ?? fail(startOf(node), 'an alias names no anchor');
}

function scalarOf(node: unknown): PlainScalar {
  if (node === null || node === undefined) return null;
  const value = isScalar(node) ? node.value : nested;
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
    ? (value as PlainScalar)
    : nested;
}

function startOf(node: unknown): number {
  const range: unknown =
    typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : 0;
}

/** A field's name as a fault shows it: short, and on one line. */
export function shownName(name: string): string {
  const short = name.length > 64 ? `${name.slice(0, 64)}…` : name;
  return /^[A-Za-z][\w-]*…?$/.test(short) ? short : JSON.stringify(short);
}
