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
  /** `name="value",…` */
  readonly #labels: Uint8Array;
  readonly #spans: LabelSpans = [];

  /** Undefined where nothing is added. `labels` were checked. */
  static of(labels: Readonly<Record<string, string>> = {}): AddedLabels | undefined {
    return Object.keys(labels).length === 0 ? undefined : new AddedLabels(labels);
  }

  private constructor(labels: Readonly<Record<string, string>>) {
    this.#names = new Set(Object.keys(labels));
    const texts = Object.entries(labels).map(([name, value]) => `${name}="${escapedText(value)}"`);
    this.#labels = Buffer.from(texts.join(','));
  }

  /** Returns whether a label got another name: then two series may have become the same. */
  write(batch: SampleBatch, held: ChunkWriter): boolean {
    const renamed = this.#mayConflict(batch) ? this.#renamed(batch) : batch;
    const { bytes, nameLength, lineEnds } = renamed;
    const labels = this.#labels;
    held.reserve(bytes.length + lineEnds.length * (labels.length + 2));
    /** Everything before it is written. */
    let from = 0;
    let lineStart = 0;
    for (const lineEnd of lineEnds) {
      const nameEnd = lineStart + nameLength;
      lineStart = lineEnd;
      const next = bytes[nameEnd];
      const isBraced = next === openingBrace;
      // With the brace of labels that are there.
      const until = isBraced ? nameEnd + 1 : nameEnd;
      held.append(bytes, from, until);
      from = until;
      // A quoted name stands in the braces, too.
      if (!isBraced) held.appendByte(next === space ? openingBrace : comma);
      held.append(labels, 0, labels.length);
      if (next === space) held.appendByte(closingBrace);
      else if (isBraced && bytes[from] !== closingBrace) held.appendByte(comma);
    }
    held.append(bytes, from, bytes.length);
    return renamed !== batch;
  }

  /** Most often the names stand nowhere, and no line has to be taken apart. */
  #mayConflict({ text, labelNames }: SampleBatch): boolean {
    for (const name of this.#names) if (labelNames?.includes(name) ?? text.includes(name)) return true;
    return false;
  }

  /** The same samples, with other names for labels whose names are given to added ones. */
  #renamed(batch: SampleBatch): SampleBatch {
    const { bytes, text, nameLength, lineEnds } = batch;
    const spans = this.#spans;
    const newEnds: number[] = [];
    let written = '';
    let from = 0;
    let start = 0;
    for (const end of lineEnds) {
      findLabels(bytes, start + nameLength, spans);
      const names: string[] = [];
      for (let at = 0; at < spans.length; at += 4) names.push(text.slice(spans[at], spans[at + 1]));
      for (const [place, name] of exportedNames(names, this.#names)) {
        written += text.slice(from, spans[4 * place]) + name;
        from = spans[4 * place + 1] ?? end;
      }
      newEnds.push(written.length + end - from);
      start = end;
    }
    if (written === '') return batch;
    written += text.slice(from);
    return { ...batch, bytes: Buffer.from(written, 'latin1'), text: written, lineEnds: newEnds };
  }
}

/**
 * The new names of labels whose names are given to added ones, by their place in the line. As Prometheus names them where
 * it does not honour them: with `exported_` in front until no label has that name.
 */
function exportedNames(names: readonly string[], given: ReadonlySet<string>): ReadonlyMap<number, string> {
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
