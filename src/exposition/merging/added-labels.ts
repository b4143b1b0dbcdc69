import { closingBrace, openingBrace, space, tab } from '../text-format/characters.js';
import type { SampleBatch } from '../text-format/exposition-part.js';
import { readLabels, type LabelSpans } from '../text-format/labels.js';
import { exportedNames } from './exported-labels.js';
import type { HeldBytes } from './held-bytes.js';

/** What is written in the place of a piece of a line, and where the line goes on. */
interface Rewritten {
  readonly text: string;
  readonly end: number;
}

/** The same labels for every series of a member, written in front of its own. */
export class AddedLabels {
  readonly #names: ReadonlySet<string>;
  /** `{name="value",…`, without a closing brace; UTF-8 as Latin-1, as the lines are. */
  readonly #opening: string;
  readonly #spans: LabelSpans = [];

  /** `labels` has at least one, and was checked. */
  constructor(labels: Readonly<Record<string, string>>) {
    this.#names = new Set(Object.keys(labels));
    const texts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
    this.#opening = Buffer.from(`{${texts.join(',')}`).toString('latin1');
  }

  /** Returns whether a label got another name: then two series may have become the same. */
  write(batch: SampleBatch, held: HeldBytes): boolean {
    const { text } = batch;
    // Most often the names stand nowhere, and no line has to be taken apart.
    const mayConflict = [...this.#names].some((name) => text.includes(name));
    let hasConflicts = false;
    let written = '';
    let from = 0;
    for (const nameEnd of batch.nameEnds) {
      written += text.slice(from, nameEnd) + this.#opening;
      from = skipBlanks(text, nameEnd);
      if (text.charCodeAt(from) !== openingBrace) {
        written += '}';
        from = nameEnd;
        continue;
      }
      const renamed = mayConflict ? this.#renamed(batch, from) : undefined;
      if (renamed !== undefined) {
        hasConflicts = true;
        written += renamed.text;
        from = renamed.end;
        continue;
      }
      from = skipBlanks(text, from + 1);
      if (text.charCodeAt(from) !== closingBrace) written += ',';
    }
    held.appendLatin1(written + text.slice(from));
    return hasConflicts;
  }

  /** The labels behind a brace, up to the closing one; undefined where none has to have another name. */
  #renamed({ bytes, text }: SampleBatch, brace: number): Rewritten | undefined {
    const spans = this.#spans;
    const labelsEnd = readLabels(bytes, brace + 1, spans);
    const exported = exportedNames(bytes, spans, this.#names);
    if (exported === undefined) return undefined;
    let labels = '';
    for (let at = 0; at < spans.length; at += 4) {
      const [start, end, , valueEnd = 0] = spans.slice(at, at + 4);
      // From the equals sign to the closing quotation mark.
      labels += `,${exported.get(at / 4) ?? text.slice(start, end)}${text.slice(end, valueEnd + 1)}`;
    }
    return { text: labels, end: labelsEnd - 1 };
  }
}

function skipBlanks(text: string, at: number): number {
  let end = at;
  while (text.charCodeAt(end) === space || text.charCodeAt(end) === tab) end += 1;
  return end;
}

function escaped(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
