import type { ChunkWriter } from '../body.js';
import type { SampleBatch } from '../text-format/exposition-part.js';
import {
  findLabels,
  type LabelSpans,
  closingBrace,
  comma,
  openingBrace,
  space,
} from '../text-format/labels.js';
import { escapedText } from '../text-format/quoted-text.js';

/** The same labels for every series of a member, written in front of its own. */
export class AddedLabels {
  readonly #names: ReadonlySet<string>;
  /** `name="value",…`; UTF-8 as Latin-1, as the lines are. */
  readonly #labels: string;
  readonly #bytes: Uint8Array;
  readonly #spans: LabelSpans = [];

  /** Undefined where nothing is added. `labels` were checked. */
  static of(labels: Readonly<Record<string, string>> = {}): AddedLabels | undefined {
    return Object.keys(labels).length === 0 ? undefined : new AddedLabels(labels);
  }

  private constructor(labels: Readonly<Record<string, string>>) {
    this.#names = new Set(Object.keys(labels));
    const texts = Object.entries(labels).map(([name, value]) => `${name}="${escapedText(value)}"`);
    this.#bytes = Buffer.from(texts.join(','));
    this.#labels = Buffer.from(this.#bytes).toString('latin1');
  }

  /** Returns whether a label got another name: then two series may have become the same. */
  write(batch: SampleBatch, held: ChunkWriter): boolean {
    if (this.#mayConflict(batch)) return this.#writeRenamed(batch, held);
    const { bytes, nameLength, lineEnds } = batch;
    const growth = lineEnds.length * (this.#bytes.length + 2);
    held.reserve(bytes.length + growth);
    const target = held.bytes;
    // Moved to the left from there, and never over what is still to be moved.
    let from = held.length + growth;
    target.set(bytes, from);
    const offset = from;
    let to = held.length;
    let lineStart = 0;
    for (const lineEnd of lineEnds) {
      const nameEnd = offset + lineStart + nameLength;
      lineStart = lineEnd;
      const next = target[nameEnd];
      const isBraced = next === openingBrace;
      // With the brace of labels that are there.
      const until = isBraced ? nameEnd + 1 : nameEnd;
      target.copyWithin(to, from, until);
      to += until - from;
      from = until;
      // A quoted name stands in the braces, too.
      if (!isBraced) target[to++] = next === space ? openingBrace : comma;
      for (let at = 0; at < this.#bytes.length; at += 1) target[to++] = this.#bytes[at] ?? 0;
      if (next === space) target[to++] = closingBrace;
      else if (isBraced && target[from] !== closingBrace) target[to++] = comma;
    }
    const end = offset + bytes.length;
    target.copyWithin(to, from, end);
    held.length = to + end - from;
    return false;
  }

  /** The same where a label may have to have another name. */
  #writeRenamed(batch: SampleBatch, held: ChunkWriter): boolean {
    const { text, nameLength, lineEnds } = batch;
    let hasConflicts = false;
    let written = '';
    let from = 0;
    let start = 0;
    for (const lineEnd of lineEnds) {
      const nameEnd = start + nameLength;
      start = lineEnd;
      written += text.slice(from, nameEnd);
      const next = text.charCodeAt(nameEnd);
      from = nameEnd;
      if (next === space) {
        written += `{${this.#labels}}`;
        continue;
      }
      // A quoted name stands in the braces, too.
      const isInBraces = next !== openingBrace;
      written += `${isInBraces ? ',' : '{'}${this.#labels}`;
      const renamed = this.#renamed(batch, nameEnd);
      if (renamed !== undefined) {
        hasConflicts = true;
        written += renamed.text;
        from = renamed.end;
      } else if (!isInBraces) {
        from += 1;
        if (text.charCodeAt(from) !== closingBrace) written += ',';
      }
    }
    written += text.slice(from);
    held.writeLatin1(written);
    return hasConflicts;
  }

  /** Most often the names stand nowhere, and no line has to be taken apart. */
  #mayConflict({ text, labelNames }: SampleBatch): boolean {
    for (const name of this.#names) if (labelNames?.includes(name) ?? text.includes(name)) return true;
    return false;
  }

  /** The labels behind a name and where they end, before the brace; undefined where none has to have another name. */
  #renamed(
    { bytes, text }: SampleBatch,
    nameEnd: number,
  ): { readonly text: string; readonly end: number } | undefined {
    const spans = this.#spans;
    const labelsEnd = findLabels(bytes, nameEnd, spans);
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

/**
 * The new names of labels whose names are given to added ones, by their place in the line; undefined where none is. As
 * Prometheus names them where it does not honour them: with `exported_` in front until no label has that name.
 */
function exportedNames(
  bytes: Buffer,
  spans: LabelSpans,
  given: ReadonlySet<string>,
): ReadonlyMap<number, string> | undefined {
  const names: string[] = [];
  for (let at = 0; at < spans.length; at += 4) names.push(bytes.toString('latin1', spans[at], spans[at + 1]));
  if (!names.some((name) => given.has(name))) return undefined;
  const taken = new Set([...given, ...names]);
  const exported = new Map<number, string>();
  for (const [place, name] of names.entries()) {
    if (!given.has(name)) continue;
    let newName = `exported_${name}`;
    while (taken.has(newName)) newName = `exported_${newName}`;
    taken.add(newName);
    exported.set(place, newName);
  }
  return exported;
}
