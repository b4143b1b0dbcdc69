import {
  findLabels,
  isAt,
  type LabelSpans,
  closingBrace,
  comma,
  equalsSign,
  lineFeed,
  numberSign,
  openingBrace,
  quotationMark,
} from '../text-format/labels.js';
import type { ChunkWriter } from '../body.js';
import { maxPodNameLength, type PodLabel, type PodNames } from './label-mapping.js';
import type { LabelRule } from './series-rules.js';
import type { SeriesDigest } from '../series-digests.js';

/** Why a series cannot be shown. */
export type SeriesFault =
  /** A mapped label is missing, or its value or pod has no other name. */
  | 'no-mapping'
  /** It already has the label that another is renamed to. */
  | 'label-conflict';

/** What becomes of a label, and its new value if that is mapped. */
interface LabelChange {
  readonly rule: LabelRule;
  value: string | undefined;
  isDropped: boolean;
}

/** The labels with one part of the names of pods, where the series has them. */
type PodLabels = Partial<Record<PodLabel, { readonly change: LabelChange; readonly value: string }>>;

/** A sample line that was read and is written with other labels; used for one line after another. */
export class RelabelledSeries {
  readonly #mappedLabels: number;
  /** How much longer a line may get (bytes). */
  readonly #maxGrowth: number;
  readonly #spans: LabelSpans = [];
  /** Of each label that stands in `#spans`. */
  readonly #changes: (LabelChange | undefined)[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #nameStart = 0;
  #nameEnd = 0;
  #labelsEnd = 0;
  #end = 0;

  constructor(
    private readonly rules: readonly LabelRule[],
    private readonly podNames?: PodNames,
  ) {
    this.#mappedLabels = rules.filter(({ values }) => values !== undefined).length;
    this.#maxGrowth = 0;
    for (const { newName, values, podLabel } of rules) {
      const podGrowth = podLabel === undefined ? 0 : maxPodNameLength;
      this.#maxGrowth += (newName?.length ?? 0) + (values?.maxLength ?? 0) + podGrowth;
    }
  }

  /** Reads the line from `start` to `end`. Returns what is wrong with it; then it cannot be written. */
  read(bytes: Buffer, start: number, nameEnd: number, end: number): SeriesFault | undefined {
    const spans = this.#spans;
    this.#bytes = bytes;
    this.#nameStart = start;
    this.#nameEnd = nameEnd;
    this.#labelsEnd = findLabels(bytes, nameEnd, spans);
    this.#end = end;
    this.#changes.length = 0;
    let mapped = 0;
    const ofPods: PodLabels = {};
    for (let at = 0; at < spans.length; at += 4) {
      const rule = this.#ruleAt(spans[at] ?? 0, spans[at + 1] ?? 0);
      let value: string | undefined;
      if (rule?.values !== undefined) {
        value = rule.values.get(bytes.toString('latin1', spans[at + 2], spans[at + 3]));
        if (value === undefined) return 'no-mapping';
        mapped += 1;
      }
      const change = rule && { rule, value, isDropped: rule.isDropped };
      this.#changes.push(change);
      if (change?.rule.podLabel === undefined) continue;
      const podValue = bytes.toString('latin1', spans[at + 2], spans[at + 3]);
      // To Prometheus, an empty value means no label.
      if (podValue !== '') ofPods[change.rule.podLabel] = { change, value: podValue };
    }
    if (mapped < this.#mappedLabels || !this.#mapPods(ofPods)) return 'no-mapping';
    return this.#hasConflict() ? 'label-conflict' : undefined;
  }

  /**
   * Writes the line that was read; returns where in the output's chunk it begins. An exemplar is left out: its
   * own labels may contain the very values to hide. `identity`, if given, becomes the digest
   * of the series as written, and `origin` that of its labels that were changed: two series that became the same
   * differ in it.
   */
  write(output: ChunkWriter, identity: SeriesDigest | undefined, origin: SeriesDigest): number {
    const [bytes, spans] = [this.#bytes, this.#spans];
    output.reserve(this.#end - this.#nameStart + this.#maxGrowth);
    const start = output.length;
    output.append(bytes, this.#nameStart, this.#nameEnd);
    identity?.begin(bytes, this.#nameStart, this.#nameEnd);
    origin.clear();
    // A quoted name is in the braces, too.
    let separator = bytes[this.#nameStart] === openingBrace ? comma : openingBrace;
    for (let at = 0; at < spans.length; at += 4) {
      const change = this.#changes[at / 4];
      const [nameStart = 0, nameEnd = 0] = [spans[at], spans[at + 1]];
      const [valueStart = 0, valueEnd = 0] = [spans[at + 2], spans[at + 3]];
      // An empty value means that there is no such label.
      const isLabel = valueEnd > valueStart;
      if (identity !== undefined && change !== undefined && isLabel)
        origin.addLabel(bytes, nameStart, valueEnd);
      if (change?.isDropped === true) continue;
      const newName = change?.rule.newName;
      output.appendByte(separator);
      separator = comma;
      const labelStart = output.length;
      if (newName === undefined) output.append(bytes, nameStart, nameEnd);
      else output.append(newName, 0, newName.length);
      output.appendByte(equalsSign);
      output.appendByte(quotationMark);
      if (change?.value === undefined) output.append(bytes, valueStart, valueEnd);
      else output.appendLatin1(change.value);
      if (isLabel) identity?.addLabel(output.bytes, labelStart, output.length);
      output.appendByte(quotationMark);
    }
    if (separator === comma) output.appendByte(closingBrace);
    this.#writeValue(output);
    return start;
  }

  /** Writes value and timestamp, without the exemplar. */
  #writeValue(output: ChunkWriter): void {
    const [bytes, start] = [this.#bytes, this.#labelsEnd];
    let end = start;
    while (bytes[end] !== lineFeed && bytes[end] !== numberSign) end += 1;
    if (bytes[end] === numberSign) end -= 1;
    output.append(bytes, start, end);
    output.appendByte(lineFeed);
  }

  /** Whether the series' pod has a name. One of the pod that was scraped is left out if that has none. */
  #mapPods({ namespace, pod, exportedNamespace, exportedPod }: PodLabels): boolean {
    if (this.podNames === undefined) return true;
    if (!this.#mapPod(exportedNamespace ?? namespace, exportedPod ?? pod)) return false;
    const scraped = [exportedNamespace && namespace, exportedPod && pod] as const;
    if (!this.#mapPod(...scraped)) for (const label of scraped) if (label) label.change.isDropped = true;
    return true;
  }

  #mapPod(namespace: PodLabels[PodLabel], pod: PodLabels[PodLabel]): boolean {
    if (namespace === undefined || pod === undefined) return false;
    const found = this.podNames?.find(namespace.value, pod.value);
    if (found === undefined) return false;
    namespace.change.value = found.namespace;
    pod.change.value = found.name;
    return true;
  }

  #ruleAt(start: number, end: number): LabelRule | undefined {
    for (const rule of this.rules) if (isAt(this.#bytes, start, end, rule.label)) return rule;
    return undefined;
  }

  /** Whether a label keeps the name that another one gets. */
  #hasConflict(): boolean {
    for (const change of this.#changes) {
      const newName = change?.rule.newName;
      if (newName !== undefined && !change?.isDropped && this.#keepsName(newName)) return true;
    }
    return false;
  }

  #keepsName(name: Buffer): boolean {
    for (let index = 0; index < this.#changes.length; index += 1) {
      const change = this.#changes[index];
      if (change?.isDropped === true || change?.rule.newName !== undefined) continue;
      const [start = 0, end = 0] = [this.#spans[4 * index], this.#spans[4 * index + 1]];
      if (isAt(this.#bytes, start, end, name)) return true;
    }
    return false;
  }
}
