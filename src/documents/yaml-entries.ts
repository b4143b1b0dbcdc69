import { CST } from 'yaml';

/** One entry of a YAML (or JSON) object; `offset` is where its key stands. */
export interface YamlEntry {
  readonly key: string;
  readonly offset: number;
  readonly value: CST.Token | undefined;
}

export type YamlFail = (offset: number, message: string) => never;

type Item = CST.BlockMap['items'][number] | CST.FlowCollection['items'][number];

/**
 * The entries of an object, read off its tokens: a composed document would take a thousand times its memory, and could
 * not be read in slices. So it is the plain part of YAML alone, which includes JSON: no anchors, aliases, tags and
 * merge keys, and every scalar is text (YAML's failsafe schema).
 */
export function* yamlEntries(token: CST.Token, fail: YamlFail): Generator<YamlEntry, void, undefined> {
  if (token.type === 'block-map') {
    for (const item of token.items) {
      refuseTabs(item, fail);
      const entry = entryOf(item, token.offset, fail);
      if (entry === undefined) continue;
      if (item.key && 'indent' in item.key && item.key.indent !== token.indent) {
        fail(entry.offset, 'is indented otherwise than its neighbours');
      }
      if (entry.value?.type === 'block-map' && !hasNewline(item)) {
        fail(entry.offset, 'holds an object that begins on the same line');
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
        fail(entry?.offset ?? token.offset, 'has no comma before it, or two');
      }
      if (entry?.value?.type === 'block-map') fail(entry.offset, 'holds an object without braces');
      if (entry !== undefined) yield entry;
    }
  } else fail(token.offset, 'must be an object');
}

/** Text of a scalar. */
export function yamlText(token: CST.Token | undefined, offset: number, fail: YamlFail): string {
  if (
    token?.type !== 'scalar' &&
    token?.type !== 'single-quoted-scalar' &&
    token?.type !== 'double-quoted-scalar'
  ) {
    return fail(offset, token === undefined ? 'has no value' : 'must be text');
  }
  refuseMarks(token.end ?? [], fail);
  return CST.resolveAsScalar(token, true, () => fail(token.offset, 'is no valid text')).value;
}

/** Refuses anything but blanks, line ends, comments and what `others` names. */
export function refuseMarks(
  tokens: readonly CST.SourceToken[],
  fail: YamlFail,
  ...others: readonly CST.SourceToken['type'][]
): void {
  for (const { type, offset } of tokens) {
    if (!['space', 'newline', 'comment', ...others].includes(type)) {
      fail(offset, 'has a mark that is not read here: only plain objects and text are');
    }
  }
}

function entryOf(item: Item, offset: number, fail: YamlFail): YamlEntry | undefined {
  refuseMarks(item.start, fail, 'comma');
  refuseMarks(item.sep ?? [], fail, 'map-value-ind');
  const { key } = item;
  if (!key) {
    // A comment behind the last one, or a comma.
    if (item.sep !== undefined || item.value) fail(offset, 'holds an entry without a key');
    return undefined;
  }
  const keyOffset = key.offset;
  const name = yamlText(key, keyOffset, fail);
  if (name === '<<' || ('source' in key && key.source.includes('\n'))) fail(keyOffset, 'is no plain key');
  if (item.sep?.filter(({ type }) => type === 'map-value-ind').length !== 1) {
    fail(keyOffset, 'has no ":" behind its key');
  }
  return { key: name, offset: keyOffset, value: item.value };
}

function hasNewline({ sep = [] }: Item): boolean {
  return sep.some(({ type }) => type === 'newline');
}

function refuseTabs({ start, sep = [] }: Item, fail: YamlFail): void {
  for (const { type, source, offset } of [...start, ...sep]) {
    if (type === 'space' && source.includes('\t')) fail(offset, 'is indented by a tab');
  }
}

/** Whether commas stand between the entries, or behind the last one, and nowhere else. */
function isSeparated({ start, key }: Item, index: number, count: number): boolean {
  const commas = start.filter(({ type }) => type === 'comma').length;
  if (key) return commas === (index === 0 ? 0 : 1);
  return index === count - 1 && commas <= (index === 0 ? 0 : 1);
}
