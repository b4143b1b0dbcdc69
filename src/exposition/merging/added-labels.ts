import { closingBrace, comma, openingBrace, skipBlanks } from '../text-format/characters.js';
import type { SampleBatch } from '../text-format/exposition-part.js';
import { readLabels, type LabelSpans } from '../text-format/labels.js';
import { exportedNames } from './exported-labels.js';
import type { HeldBytes } from './held-bytes.js';

/** The same labels for every series of a member, written in front of its own. */
export class AddedLabels {
  readonly #names: ReadonlySet<string>;
  readonly #nameBytes: readonly Buffer[];
  /** `{name="value",…`, without a closing brace. */
  readonly #text: Buffer;
  readonly #spans: LabelSpans = [];

  /** `labels` has at least one, and was checked. */
  constructor(labels: Readonly<Record<string, string>>) {
    this.#names = new Set(Object.keys(labels));
    this.#nameBytes = Object.keys(labels).map((name) => Buffer.from(name));
    const texts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
    this.#text = Buffer.from(`{${texts.join(',')}`);
  }

  /** Returns whether a label got another name: then two series may have become the same. */
  write({ bytes, nameEnds, lineEnds }: SampleBatch, held: HeldBytes): boolean {
    // Most often the names stand nowhere, and no line has to be taken apart.
    const mayConflict = this.#nameBytes.some((name) => bytes.includes(name));
    let hasConflicts = false;
    let start = 0;
    for (let at = 0; at < lineEnds.length; at += 1) {
      const [nameEnd = 0, end = 0] = [nameEnds[at], lineEnds[at]];
      if (mayConflict && this.#writeRenamed(bytes, start, nameEnd, end, held)) hasConflicts = true;
      else this.#writeLine(bytes, start, nameEnd, end, held);
      start = end;
    }
    return hasConflicts;
  }

  #writeLine(bytes: Buffer, start: number, nameEnd: number, end: number, held: HeldBytes): void {
    const text = this.#text;
    held.reserve(end - start + text.length + 1);
    held.append(bytes, start, nameEnd);
    held.append(text, 0, text.length);
    const brace = skipBlanks(bytes, nameEnd);
    if (bytes[brace] !== openingBrace) {
      held.appendByte(closingBrace);
      held.append(bytes, nameEnd, end);
      return;
    }
    const labels = skipBlanks(bytes, brace + 1);
    if (bytes[labels] !== closingBrace) held.appendByte(comma);
    held.append(bytes, labels, end);
  }

  /** Returns false, and writes nothing, where the line has no label of such a name. */
  #writeRenamed(bytes: Buffer, start: number, nameEnd: number, end: number, held: HeldBytes): boolean {
    const [text, spans] = [this.#text, this.#spans];
    const brace = skipBlanks(bytes, nameEnd);
    if (bytes[brace] !== openingBrace) return false;
    const labelsEnd = readLabels(bytes, brace + 1, spans);
    const exported = exportedNames(bytes, spans, this.#names);
    if (exported === undefined) return false;
    const growth = [...exported.values()].reduce((sum, name) => sum + name.length, text.length + 1);
    held.reserve(end - start + growth);
    held.append(bytes, start, nameEnd);
    held.append(text, 0, text.length);
    for (let at = 0; at < spans.length; at += 4) {
      const newName = exported.get(at / 4);
      held.appendByte(comma);
      if (newName === undefined) held.append(bytes, spans[at] ?? 0, spans[at + 1] ?? 0);
      else held.append(Buffer.from(newName), 0, newName.length);
      // From the equals sign to the closing quotation mark.
      held.append(bytes, spans[at + 1] ?? 0, (spans[at + 3] ?? 0) + 1);
    }
    held.append(bytes, labelsEnd - 1, end);
    return true;
  }
}

function escaped(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
