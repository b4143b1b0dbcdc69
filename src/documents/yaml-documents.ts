import { Composer, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, Parser, Schema, visit } from 'yaml';
import type { CST, Document, Node } from 'yaml';
import { ManifestError } from '../policy/sources/manifest-error.js';

/** Where a value stands in a document: keys and indices, from the outside in. */
export type ValuePath = readonly (string | number)[];

export interface YamlDocument {
  readonly value: unknown;
  /** The line of the value at a path, or of the innermost one on the way to it that there is. */
  lineOf(path: ValuePath): number;
}

/** The composer recurses, and Node aborts when a regular expression is compiled at the stack's end. */
const maxDepth = 100;
/** A document is held as a tree of about 1 KB a value until its objects are trimmed. */
const maxValues = 1_000_000;
/** What an alias stands for is looked up in the whole document each time. */
const maxAliases = 100;

/**
 * What kubectl makes of a word without quotes, which is YAML 1.1 without times and base 60: `on`, `no` and `010` are no
 * strings, so no names. A letter alone (`y`, `n`) stays one: that is an initial more likely than an answer.
 */
const schema = new Schema({
  schema: 'yaml-1.1',
  merge: true,
  resolveKnownTags: true,
  customTags: (tags) =>
    tags.flatMap((tag): typeof tags => {
      if (typeof tag === 'string') return tag === 'merge' ? [tag] : [];
      if (tag.format === 'TIME' || /:(?:binary|omap|pairs|set|timestamp)$/.test(tag.tag)) return [];
      if (tag.test === undefined || !tag.tag.endsWith(':bool')) return [tag];
      return [{ ...tag, test: new RegExp(`(?=..)${tag.test.source}`) }];
    }),
});

/**
 * The documents of a YAML (or JSON) stream, read one by one so that no more than one is held as a tree.
 * Merge keys (`<<`) are followed, as kubectl does. Throws ManifestError for a syntax error, a duplicate key, an
 * unresolved alias and whatever is out of bounds.
 */
export function* readYamlDocuments(text: string, file: string): Generator<YamlDocument> {
  const lines = new LineCounter();
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  const fail = (offset: number, message: string): never => {
    throw new ManifestError(`${file}:${lineAt(offset)}: ${oneLine(message)}`);
  };
  // Duplicate keys are looked for below: the composer compares each key with each.
  const composer = new Composer({ schema, stringKeys: true, uniqueKeys: false, logLevel: 'error' });
  for (const token of new Parser(lines.addNewLine).parse(text)) {
    checkBounds(token, fail);
    for (const document of composer.next(token)) yield readDocument(document, lineAt, fail);
  }
  for (const document of composer.end()) yield readDocument(document, lineAt, fail);
}

type Fail = (offset: number, message: string) => never;

function readDocument(
  document: Document.Parsed,
  lineAt: (offset: number) => number,
  fail: Fail,
): YamlDocument {
  const [error] = document.errors;
  if (error !== undefined) fail(error.pos[0], error.message);
  const start = startOf(document.contents) ?? document.range[0];
  checkKeysAndAliases(document, lineAt, fail);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: maxAliases });
  } catch (cause) {
    fail(start, cause instanceof Error ? cause.message : String(cause));
  }
  return { value, lineOf: (path) => lineAt(offsetOf(document, path) ?? start) };
}

/** Walks a document's tokens without recursion. */
function checkBounds(root: CST.Token, fail: Fail): void {
  const pending: { token: CST.Token; depth: number }[] = [{ token: root, depth: 0 }];
  let values = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { token, depth } = next;
    values += 1;
    if (values > maxValues) {
      fail(root.offset, `more than ${maxValues} values in one document: separate its objects by \`---\``);
    }
    if (depth > maxDepth) fail(token.offset, `nested deeper than ${maxDepth} levels`);
    if (token.type === 'document') {
      if (token.value !== undefined) pending.push({ token: token.value, depth: depth + 1 });
    } else if ('items' in token) {
      for (const { key, value } of token.items) {
        // A key that is text costs no more than what stands behind it.
        if (key && 'items' in key) pending.push({ token: key, depth: depth + 1 });
        if (value) pending.push({ token: value, depth: depth + 1 });
      }
    }
  }
}

function checkKeysAndAliases(
  document: Document.Parsed,
  lineAt: (offset: number) => number,
  fail: Fail,
): void {
  const anchors = new Set<string>();
  let aliases = 0;
  const addAnchor = (anchor: string | undefined): void => {
    if (anchor !== undefined) anchors.add(anchor);
  };
  visit(document, {
    Map(_, map) {
      addAnchor(map.anchor);
      const firstAt = new Map<string, number>();
      for (const { key } of map.items) {
        // A merge key is a symbol and may be repeated.
        if (!isScalar(key) || typeof key.value !== 'string') continue;
        const offset = startOf(key) ?? 0;
        const first = firstAt.get(key.value);
        if (first === undefined) firstAt.set(key.value, offset);
        else {
          fail(offset, `duplicate key ${JSON.stringify(bounded(key.value))}, first on line ${lineAt(first)}`);
        }
      }
    },
    Seq(_, seq) {
      addAnchor(seq.anchor);
    },
    Scalar(_, scalar) {
      addAnchor(scalar.anchor);
    },
    Alias(_, alias) {
      const offset = startOf(alias) ?? 0;
      aliases += 1;
      if (aliases > maxAliases) fail(offset, `more than ${maxAliases} aliases in one document`);
      if (!anchors.has(alias.source)) fail(offset, `no anchor before the alias *${alias.source}`);
    },
  });
}

function offsetOf(document: Document.Parsed, path: ValuePath): number | undefined {
  let node: unknown = document.contents;
  let offset = startOf(node);
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
      if (pair === undefined) return offset;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      offset = startOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}

function oneLine(message: string): string {
  return bounded(message.replace(/\p{Cc}+/gu, ' '));
}

function bounded(text: string): string {
  return text.length <= 256 ? text : `${text.slice(0, 256)}…`;
}
