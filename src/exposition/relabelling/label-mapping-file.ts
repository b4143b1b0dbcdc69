import { Lexer, LineCounter, Parser, type CST } from 'yaml';
import type { FileContent } from '../../files/followed-files.js';
import { TimeSlice } from '../../time-slice.js';
import { LabelMapping } from './label-mapping.js';
import { labelNameFault } from './label-name.js';
import { LabelValueTable } from './label-value-table.js';
import { refuseMarks, yamlEntries, yamlText, type YamlFail } from '../../documents/yaml-entries.js';
import { LabelMappingError } from '../exposition-errors.js';

/** About 100,000 names. */
const maxBytes = 4 * 1024 * 1024;
const stepsBetweenLooks = 64;
/** Lexemes that stand for no text: of a document, of an error in a flow collection, of a scalar. */
const lexerMarks: ReadonlySet<string> = new Set(['\x02', '\x18', '\x1f']);

/**
 * The mapping that a YAML or JSON file holds, read whole or not at all:
 *
 * ```yaml
 * labels:
 *   namespace:
 *     host-namespace-x-virtual-cluster: team-a
 * ```
 *
 * Every name is text, quoted or not. It is what `FollowedFiles` parses with, and reads in slices, so that a large file
 * holds up nobody.
 *
 * @throws LabelMappingError
 */
export async function readLabelMapping([content]: readonly FileContent[]): Promise<LabelMapping> {
  if (content === undefined) throw new RangeError('one file is needed');
  const { file, bytes } = content;
  const lines = new LineCounter();
  const fail: YamlFail = (offset, message) => {
    throw new LabelMappingError(`${file}:${Math.max(1, lines.linePos(offset).line)}: ${message}`);
  };
  if (bytes.byteLength > maxBytes) fail(0, `larger than ${maxBytes} bytes`);
  const root = await onlyDocument(decoded(bytes, fail), lines, fail);
  const tables = new Map<string, LabelValueTable>();
  await inSlices(mappingSteps(root, tables, fail));
  return new LabelMapping(tables);
}

function decoded(bytes: Uint8Array, fail: YamlFail): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return fail(0, 'is not UTF-8');
  }
}

async function onlyDocument(text: string, lines: LineCounter, fail: YamlFail): Promise<CST.Token> {
  const tokens: CST.Token[] = [];
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  await inSlices(parsingSteps(text, parser, tokens, fail));
  let root: CST.Token | undefined;
  for (const token of tokens) {
    if (['comment', 'newline', 'space'].includes(token.type)) continue;
    if (token.type !== 'document') return fail(token.offset, 'is not YAML, or not its plain part');
    if (root !== undefined) return fail(token.offset, 'holds a second document');
    refuseMarks([...token.start, ...(token.end ?? [])], fail, 'doc-start');
    if (token.start.some(({ type, source }) => type === 'space' && source.includes('\t'))) {
      return fail(token.offset, 'is indented by a tab');
    }
    root = token.value ?? fail(token.offset, 'is empty');
  }
  return root ?? fail(0, 'is empty');
}

function* parsingSteps(
  text: string,
  parser: Parser,
  tokens: CST.Token[],
  fail: YamlFail,
): Generator<undefined, void, undefined> {
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
}

function* mappingSteps(
  root: CST.Token,
  tables: Map<string, LabelValueTable>,
  fail: YamlFail,
): Generator<undefined, void, undefined> {
  let isEmpty = true;
  for (const { key, offset, value } of yamlEntries(root, fail)) {
    if (key !== 'labels' || !isEmpty) fail(offset, 'only one entry, "labels", may stand here');
    isEmpty = false;
    for (const label of yamlEntries(value ?? fail(offset, 'labels: has no value'), fail)) {
      const fault = labelNameFault(label.key);
      if (fault !== undefined) fail(label.offset, `labels: ${fault}`);
      if (tables.has(label.key)) fail(label.offset, `labels: "${label.key}" stands twice`);
      const table = new LabelValueTable();
      tables.set(label.key, table);
      const where = `labels.${label.key}: `;
      for (const entry of yamlEntries(label.value ?? fail(label.offset, `${where}has no value`), fail)) {
        const wrong = table.add(entry.key, yamlText(entry.value, entry.offset, fail));
        if (wrong !== undefined) fail(entry.offset, `${where}${wrong}`);
        yield;
      }
    }
  }
  // Without a label nothing would be left out.
  if (tables.size === 0) fail(root.offset, 'labels: must name a label');
}

async function inSlices(steps: Generator<undefined, void, undefined>): Promise<void> {
  const slice = new TimeSlice(4);
  for (let count = 1; steps.next().done !== true; count += 1) {
    if (count % stepsBetweenLooks === 0 && slice.isOver) await slice.rest();
  }
}
