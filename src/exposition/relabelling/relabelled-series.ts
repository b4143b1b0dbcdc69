import {
  closingBrace,
  comma,
  equalsSign,
  lineFeed,
  numberSign,
  openingBrace,
  quotationMark,
} from '../text-format/characters.js';
import { findLabels, type LabelSpans } from '../text-format/labels.js';
import type { LabelRule } from './label-rules.js';
import type { ChunkWriter } from '../body.js';
import type { SeriesDigest } from './series-digest.js';

/** Why a series cannot be shown. */
export type SeriesFault =
  /** A mapped label is missing, or its value has no other name. */
  | 'no-mapping'
  /** It has a label already that another is renamed to. */
  | 'label-conflict';

/** What becomes of a label, and its new value where that is mapped. */
interface LabelFate {
  readonly rule: LabelRule;
  readonly value: string | undefined;
}

/** One line after another: read first, then written with other labels. */
export class RelabelledSeries {
  readonly #rules: readonly LabelRule[];
  readonly #mappedLabels: number;
  /** How much longer a line may get (bytes). */
  readonly #maxGrowth: number;
  readonly #spans: LabelSpans = [];
  /** Of each label that stands in `#spans`. */
  readonly #fates: (LabelFate | undefined)[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #nameStart = 0;
  #nameEnd = 0;
  #labelsEnd = 0;
  #end = 0;

  constructor(rules: readonly LabelRule[]) {
    this.#rules = rules;
    this.#mappedLabels = rules.filter(({ values }) => values !== undefined).length;
    this.#maxGrowth = rules.reduce(
      (sum, { newName, values }) => sum + (newName?.length ?? 0) + (values?.maxLength ?? 0),
      0,
    );
  }

  /** Reads the line from `start` to `end`. What is wrong with it is returned; then it cannot be written. */
  read(bytes: Buffer, start: number, nameEnd: number, end: number): SeriesFault | undefined {
    this.#bytes = bytes;
    this.#nameStart = start;
    this.#nameEnd = nameEnd;
    this.#labelsEnd = findLabels(bytes, nameEnd, this.#spans);
    this.#end = end;
    return this.#decide();
  }

  /**
   * Writes the line that was read. An exemplar is left out: it has labels of its own, which may hold the very names
   * that are not to be seen. `identity` is made of what is written, where it is given, and then `origin` of the labels
   * that were others before: two series that became the same differ in them.
   *
   * @returns where in the output it begins.
   */
  write(output: ChunkWriter, identity: SeriesDigest | undefined, origin: SeriesDigest): number {
    const [bytes, spans] = [this.#bytes, this.#spans];
    output.reserve(this.#end - this.#nameStart + this.#maxGrowth);
    const start = output.length;
    output.append(bytes, this.#nameStart, this.#nameEnd);
    identity?.begin(bytes, this.#nameStart, this.#nameEnd);
    origin.clear();
    // A quoted name stands in the braces, too.
    let separator = bytes[this.#nameStart] === openingBrace ? comma : openingBrace;
    for (let at = 0; at < spans.length; at += 4) {
      const fate = this.#fates[at / 4];
      const nameStart = spans[at] ?? 0;
      const nameEnd = spans[at + 1] ?? 0;
      const valueStart = spans[at + 2] ?? 0;
      const valueEnd = spans[at + 3] ?? 0;
      // A label with an empty value is none.
      const isLabel = valueEnd > valueStart;
      if (identity !== undefined && fate !== undefined && isLabel)
        origin.addLabel(bytes, nameStart, valueEnd);
      if (fate?.rule.isDropped === true) continue;
      const newName = fate?.rule.newName;
      output.appendByte(separator);
      separator = comma;
      const labelStart = output.length;
      if (newName === undefined) output.append(bytes, nameStart, nameEnd);
      else output.append(newName, 0, newName.length);
      output.appendByte(equalsSign);
      output.appendByte(quotationMark);
      if (fate?.value === undefined) output.append(bytes, valueStart, valueEnd);
      else output.appendLatin1(fate.value);
      if (isLabel) identity?.addLabel(output.bytes, labelStart, output.length);
      output.appendByte(quotationMark);
    }
    if (separator === comma) output.appendByte(closingBrace);
    this.#writeValue(output);
    return start;
  }

  /** Value and timestamp, and no exemplar. */
  #writeValue(output: ChunkWriter): void {
    const [bytes, start] = [this.#bytes, this.#labelsEnd];
    let end = start;
    while (end < this.#end && bytes[end] !== lineFeed && bytes[end] !== numberSign) end += 1;
    if (bytes[end] === numberSign) end -= 1;
    output.append(bytes, start, end);
    output.appendByte(lineFeed);
  }

  #decide(): SeriesFault | undefined {
    const spans = this.#spans;
    this.#fates.length = 0;
    let mapped = 0;
    for (let at = 0; at < spans.length; at += 4) {
      const rule = this.#ruleAt(spans[at] ?? 0, spans[at + 1] ?? 0);
      let value: string | undefined;
      if (rule?.values !== undefined) {
        value = rule.values.get(this.#bytes.toString('latin1', spans[at + 2], spans[at + 3]));
        if (value === undefined) return 'no-mapping';
        mapped += 1;
      }
      this.#fates.push(rule === undefined ? undefined : { rule, value });
    }
    if (mapped < this.#mappedLabels) return 'no-mapping';
    return this.#hasConflict() ? 'label-conflict' : undefined;
  }

  #ruleAt(start: number, end: number): LabelRule | undefined {
    for (const rule of this.#rules) if (this.#standsAt(rule.label, start, end)) return rule;
    return undefined;
  }

  /** Whether a label will stand twice. */
  #hasConflict(): boolean {
    const fates = this.#fates;
    for (let index = 0; index < fates.length; index += 1) {
      const rule = fates[index]?.rule;
      if (rule === undefined) continue;
      for (let other = 0; other < fates.length; other += 1) {
        if (other !== index && this.#collides(rule, other)) return true;
      }
    }
    return false;
  }

  /** Whether another label keeps the name that this one gets. */
  #collides({ newName }: LabelRule, other: number): boolean {
    const rule = this.#fates[other]?.rule;
    if (newName === undefined || rule?.isDropped === true || rule?.newName !== undefined) return false;
    return this.#standsAt(newName, this.#spans[4 * other] ?? 0, this.#spans[4 * other + 1] ?? 0);
  }

  #standsAt(name: Buffer, start: number, end: number): boolean {
    if (end - start !== name.length) return false;
    for (let at = 0; at < name.length; at += 1) if (this.#bytes[start + at] !== name[at]) return false;
    return true;
  }
}
