import type { CST, LineCounter } from 'yaml';
import type { Source } from './source.js';
import { yaml } from './yaml-library.js';

type Fail = (offset: number, fault: string) => never;
type Item = CST.BlockMap['items'][number] | CST.FlowCollection['items'][number];

/** One entry of an object, which knows where it stands. */
class PlainEntry {
  constructor(
    readonly key: string,
    private readonly offset: number,
    private readonly value: CST.Token | undefined,
    private readonly failAt: Fail,
  ) {}

  /** The entries of the object that it holds; `name` is what a message calls it where there is none. */
  entries(name: string): Generator<PlainEntry, void, undefined> {
    return entriesOf(this.value ?? this.fail(`${name} has no value`), this.failAt);
  }

  text(): string {
    return textOf(this.value, this.offset, this.failAt);
  }

  fail(fault: string): never {
    return this.failAt(this.offset, fault);
  }
}

/** Lexemes that stand for no text: of a document, of an error in a flow collection, of a scalar. */
const lexerMarks: ReadonlySet<string> = new Set(['\x02', '\x18', '\x1f']);

/**
 * The only document of a YAML (or JSON) text, an object, in steps, since it may be large: read off the parser's
 * tokens, because a composed document would take a thousand times its memory. So it is the plain part of YAML alone,
 * which includes JSON: no anchors, aliases, tags and merge keys, and every scalar is text (YAML's failsafe schema).
 * What is read in steps is the text; the entries are read as they are asked for.
 */
export function* readPlainObject(
  text: string,
  source: Source,
): Generator<undefined, Generator<PlainEntry, void, undefined>, undefined> {
  const lines = new (yaml().LineCounter)();
  const fail: Fail = (offset, fault) => source.fail(Math.max(1, lines.linePos(offset).line), fault);
  const root = rootOf(yield* tokensOf(text, lines, fail), fail);
  return entriesOf(root, fail);
}

function* tokensOf(
  text: string,
  lines: LineCounter,
  fail: Fail,
): Generator<undefined, readonly CST.Token[], undefined> {
  const { Lexer, Parser } = yaml();
  const tokens: CST.Token[] = [];
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  let offset = 0;
  let before = '\n';
  for (const lexeme of new Lexer().lex(text)) {
    // The one rule that the tokens alone do not show.
    if (lexeme.startsWith('#') && !/^\s/.test(before))
      fail(offset, 'has a comment without a blank before it');
    tokens.push(...parser.next(lexeme));
    if (!lexerMarks.has(lexeme)) {
      offset += lexeme.length;
      before = lexeme;
    }
    yield;
  }
  tokens.push(...parser.end());
  return tokens;
}

function rootOf(tokens: readonly CST.Token[], fail: Fail): CST.Token {
  let root: CST.Token | undefined;
  for (const token of tokens) {
    if (['comment', 'newline', 'space'].includes(token.type)) continue;
    if (token.type !== 'document') return fail(token.offset, 'is not YAML, or not its plain part');
    if (root !== undefined) return fail(token.offset, 'holds a second document');
    refuseMarks([...token.start, ...(token.end ?? [])], fail, 'doc-start');
    if (token.start.some(hasTab)) fail(token.offset, 'is indented by a tab');
    root = token.value ?? fail(token.offset, 'is empty');
  }
  return root ?? fail(0, 'is empty');
}

function* entriesOf(token: CST.Token, fail: Fail): Generator<PlainEntry, void, undefined> {
  if (token.type === 'block-map') {
    for (const item of token.items) {
      const tab = item.start.find(hasTab) ?? item.sep?.find(hasTab);
      if (tab !== undefined) fail(tab.offset, 'is indented by a tab');
      const entry = entryOf(item, token.offset, fail);
      if (entry === undefined) continue;
      if (item.key && 'indent' in item.key && item.key.indent !== token.indent) {
        entry.fail('is indented otherwise than its neighbours');
      }
      if (item.value?.type === 'block-map' && !item.sep?.some(({ type }) => type === 'newline')) {
        entry.fail('holds an object that begins on the same line');
      }
      yield entry;
    }
  } else if (token.type === 'flow-collection' && token.start.type === 'flow-map-start') {
    const [closing, ...behind] = token.end;
    if (closing?.type !== 'flow-map-end') fail(token.offset, 'is not closed');
    refuseMarks(behind, fail);
    for (const [index, item] of token.items.entries()) {
      const entry = entryOf(item, token.offset, fail);
      if (!isSeparated(item, index, token.items.length)) {
        fail(item.key?.offset ?? token.offset, 'has no comma before it, or two');
      }
      if (entry === undefined) continue;
      if (item.value?.type === 'block-map') entry.fail('holds an object without braces');
      yield entry;
    }
  } else fail(token.offset, 'must be an object');
}

function entryOf(item: Item, offset: number, fail: Fail): PlainEntry | undefined {
  refuseMarks(item.start, fail, 'comma');
  refuseMarks(item.sep ?? [], fail, 'map-value-ind');
  const { key } = item;
  if (!key) {
    // A comment behind the last one, or a comma.
    if (item.sep !== undefined || item.value) fail(offset, 'holds an entry without a key');
    return undefined;
  }
  const name = textOf(key, key.offset, fail);
  if (name === '<<' || ('source' in key && key.source.includes('\n'))) fail(key.offset, 'is no plain key');
  if (item.sep?.filter(({ type }) => type === 'map-value-ind').length !== 1) {
    fail(key.offset, 'has no ":" behind its key');
  }
  return new PlainEntry(name, key.offset, item.value, fail);
}

function textOf(token: CST.Token | undefined, offset: number, fail: Fail): string {
  if (
    token?.type !== 'scalar' &&
    token?.type !== 'single-quoted-scalar' &&
    token?.type !== 'double-quoted-scalar'
  ) {
    return fail(offset, token === undefined ? 'has no value' : 'must be text');
  }
  refuseMarks(token.end ?? [], fail);
  return yaml().CST.resolveAsScalar(token, true, () => fail(token.offset, 'is no valid text')).value;
}

/** Refuses anything but blanks, line ends, comments and `other`. */
function refuseMarks(tokens: readonly CST.SourceToken[], fail: Fail, other?: CST.SourceToken['type']): void {
  for (const { type, offset } of tokens) {
    if (type !== 'space' && type !== 'newline' && type !== 'comment' && type !== other) {
      fail(offset, 'has a mark that is not read here: only plain objects and text are');
    }
  }
}

function hasTab({ type, source }: CST.SourceToken): boolean {
  return type === 'space' && source.includes('\t');
}

/** Whether commas stand between the entries, or behind the last one, and nowhere else. */
function isSeparated({ start, key }: Item, index: number, count: number): boolean {
  const commas = start.filter(({ type }) => type === 'comma').length;
  if (key) return commas === (index === 0 ? 0 : 1);
  return index === count - 1 && commas <= (index === 0 ? 0 : 1);
}
