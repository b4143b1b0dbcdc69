import type { CST, Document, DocumentOptions, ParseOptions, Schema, SchemaOptions } from 'yaml';
import { oneLine } from './one-line.js';
import type { Source } from './source.js';
import { yaml } from './yaml-library.js';

/** Where a value stands in a document: keys and indices, from the outside in. */
export type ValuePath = readonly (string | number)[];

/** A document as plain values, and where they stand. */
export interface ReadDocument {
  readonly value: unknown;
  readonly source: Source;
  /** The line of the value at a path, or of the innermost one on the way to it that there is. */
  lineOf(path: ValuePath): number;
}

/** How a kind of file is read. */
interface Dialect {
  readonly schema: () => DocumentOptions & ParseOptions & SchemaOptions;
  /** Neither tags nor merge keys nor names that are no strings may stand in it. */
  readonly isPlain: boolean;
  /** What messages may quote: the parser's own quote the text, which may be a secret. */
  readonly quotes: 'text' | 'keys' | 'nothing';
  /** The composer recurses, and Node aborts when a regular expression is compiled at the stack's end. */
  readonly maxDepth: number;
  /** In one document, each of which is held as a tree of about 1 KB a value until it is read. */
  readonly maxValues: number;
  readonly advice?: string;
}

const dialects = {
  /** Of Kubernetes objects, as kubectl reads them. */
  manifest: {
    schema: () => ({ schema: kubectlSchema(), stringKeys: true }),
    isPlain: false,
    quotes: 'text',
    maxDepth: 100,
    maxValues: 1_000_000,
    advice: ': separate its objects by `---`',
  },
  kubeconfig: {
    schema: () => ({ merge: true, stringKeys: true }),
    isPlain: false,
    quotes: 'nothing',
    maxDepth: 64,
    maxValues: 50_000,
  },
  /** YAML 1.2. */
  configuration: {
    schema: () => ({ schema: 'core', merge: false, resolveKnownTags: false }),
    isPlain: true,
    quotes: 'keys',
    maxDepth: 100,
    maxValues: 1_000_000,
  },
} as const satisfies Readonly<Record<string, Dialect>>;

/** An alias is looked up in the whole document each time. */
const maxAliases = 100;
/** Of a message from the parser, or of a key (characters). */
const maxQuoted = 256;

type DialectName = keyof typeof dialects;
type Fail = (offset: number, fault: string) => never;

/**
 * The documents of a YAML (or JSON) text, one by one, so that no more than one is held as a tree. A syntax error, a
 * repeated key, an alias without an anchor and what is out of bounds make `source` fail.
 */
export function* readDocuments(text: string, name: DialectName, source: Source): Generator<ReadDocument> {
  const dialect: Dialect = dialects[name];
  const { Composer, LineCounter, Parser } = yaml();
  const lines = new LineCounter();
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  const fail: Fail = (offset, fault) => source.fail(lineAt(offset), fault);
  // Repeated keys are looked for below: the composer compares each key with each.
  const composer = new Composer({ ...dialect.schema(), uniqueKeys: false, logLevel: 'error' });
  const read = (document: Document.Parsed): ReadDocument => {
    refuseProblems(document, dialect, fail);
    checkKeysAndAliases(document, dialect, fail, lineAt);
    const start = startOf(document.contents) ?? document.range[0];
    return {
      value: plainValue(document, dialect, (fault) => fail(start, fault)),
      source,
      lineOf: (path) => lineAt(offsetOf(document, path) ?? start),
    };
  };
  for (const token of new Parser(lines.addNewLine).parse(text)) {
    checkBounds(token, dialect, fail);
    for (const document of composer.next(token)) yield read(document);
  }
  for (const document of composer.end()) yield read(document);
}

/** The only document of a text. */
export function readDocument(text: string, name: DialectName, source: Source): ReadDocument {
  const [first, second] = readDocuments(text, name, source);
  if (second !== undefined) return source.fail(second.lineOf([]), 'holds a second document');
  return first === undefined || first.value === null ? source.fail(1, 'is empty') : first;
}

/**
 * What kubectl makes of a word without quotes, which is YAML 1.1 without times and base 60: `on`, `no` and `010` are no
 * strings, so no names. A letter alone (`y`, `n`) stays one: that is an initial more likely than an answer.
 */
function kubectlSchema(): Schema {
  return new (yaml().Schema)({
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
}

/** Walks a document's tokens without recursion. */
function checkBounds(root: CST.Token, { maxDepth, maxValues, advice = '' }: Dialect, fail: Fail): void {
  const pending: { token: CST.Token; depth: number }[] = [{ token: root, depth: 0 }];
  let values = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { token, depth } = next;
    values += 1;
    if (values > maxValues) fail(root.offset, `more than ${maxValues} values in one document${advice}`);
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

function refuseProblems(
  { errors, warnings }: Document.Parsed,
  { isPlain, quotes }: Dialect,
  fail: Fail,
): void {
  // Of tags that are not resolved there are only warnings.
  const [problem] = isPlain ? [...errors, ...warnings] : errors;
  if (problem === undefined) return;
  const code = problem.code.toLowerCase().replaceAll('_', ' ');
  fail(problem.pos[0], quotes === 'text' ? oneLine(problem.message, maxQuoted) : `is not YAML: ${code}`);
}

function checkKeysAndAliases(
  document: Document.Parsed,
  { isPlain, quotes }: Dialect,
  fail: Fail,
  lineAt: (offset: number) => number,
): void {
  const { isScalar, visit } = yaml();
  const anchors = new Set<string>();
  let aliases = 0;
  const addAnchor = ({ anchor }: { anchor?: string | undefined }): void => {
    if (anchor !== undefined) anchors.add(anchor);
  };
  visit(document, {
    Map(_, map) {
      addAnchor(map);
      const firstAt = new Map<string, number>();
      for (const { key } of map.items) {
        const offset = startOf(key) ?? 0;
        if (!isScalar(key) || typeof key.value !== 'string') {
          if (isPlain) fail(offset, 'a name must be a string');
          // A merge key is a symbol and may be repeated.
          continue;
        }
        const first = firstAt.get(key.value);
        if (first === undefined) firstAt.set(key.value, offset);
        else {
          const shown = quotes === 'nothing' ? '' : ` ${oneLine(JSON.stringify(key.value), maxQuoted)}`;
          fail(offset, `duplicate key${shown}, first on line ${lineAt(first)}`);
        }
      }
    },
    Value(_, value) {
      addAnchor(value);
    },
    Alias(_, alias) {
      const offset = startOf(alias) ?? 0;
      aliases += 1;
      if (aliases > maxAliases) fail(offset, `more than ${maxAliases} aliases in one document`);
      if (!anchors.has(alias.source)) {
        fail(offset, `no anchor before the alias${quotes === 'text' ? ` *${alias.source}` : ''}`);
      }
    },
  });
}

function plainValue(document: Document.Parsed, { quotes }: Dialect, fail: (fault: string) => never): unknown {
  try {
    return document.toJS({ maxAliasCount: maxAliases });
  } catch (cause) {
    return fail(
      quotes === 'text' && cause instanceof Error
        ? oneLine(cause.message, maxQuoted)
        : 'an alias cannot be followed',
    );
  }
}

function offsetOf(document: Document.Parsed, path: ValuePath): number | undefined {
  const { isAlias, isMap, isScalar, isSeq } = yaml();
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
  return yaml().isNode(node) ? node.range?.[0] : undefined;
}
