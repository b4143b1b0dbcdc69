import type { SampleBatch } from '../text-format/exposition-part.js';
import { closingBrace, space } from '../text-format/labels.js';
import { podLabels, type LabelValueTable, type PodNames } from './label-mapping.js';
import type { LabelRule } from './series-rules.js';

/** What becomes of a label's value: that of a pod is mapped with the other one. */
type Place = LabelValueTable | (typeof pairOfPod)[number];

const pairOfPod = [podLabels.namespace, podLabels.pod] as const;
const isExported: ReadonlySet<string> = new Set([podLabels.exportedNamespace, podLabels.exportedPod]);

/**
 * Gives labels their new values where nothing else of a line changes, which takes a fifth of the time that
 * `RelabelledSeries` does: all between two values is copied as it is.
 */
export class MappedLabels {
  readonly #tables = new Map<string, Place>();

  constructor(
    rules: readonly LabelRule[],
    private readonly podNames?: PodNames,
  ) {
    for (const { label, values } of rules)
      if (values !== undefined) this.#tables.set(label.toString(), values);
    if (podNames !== undefined) for (const name of pairOfPod) this.#tables.set(name, name);
  }

  /** The lines that have a mapping, and how many they are; undefined where a line has to be taken apart. */
  write({ text, nameLength, lineEnds, labelNames }: SampleBatch) {
    // Escapes, exemplars, and the last comma, which is not written.
    if (labelNames === undefined || text.includes('\\') || text.includes(' # {') || text.includes(',}')) {
      return undefined;
    }
    if (this.podNames !== undefined && labelNames.some((name) => isExported.has(name))) return undefined;
    const tables = this.#tablesOf(labelNames);
    if (tables === undefined) return { text: '', lines: 0 };
    let written = '';
    let lines = 0;
    /** Everything before it is written or left out. */
    let from = 0;
    let start = 0;
    /** Of the first label of a pod. */
    let heldStart = 0;
    let heldEnd = 0;
    for (const end of lineEnds) {
      const [before, beforeFrom] = [written, from];
      let at = start + nameLength;
      let isMapped = true;
      heldStart = 0;
      for (let label = 0; label < tables.length; label += 1) {
        const next = text.charCodeAt(at);
        isMapped = next !== space && next !== closingBrace && text.charCodeAt(at + 1) !== closingBrace;
        if (!isMapped) break;
        // Behind the brace or comma, the name, the equals sign and the quotation mark.
        const valueStart = at + (labelNames[label] ?? '').length + 3;
        const valueEnd = text.indexOf('"', valueStart);
        const table = tables[label];
        if (table === 'namespace' || table === 'pod') {
          if (heldStart === 0) [heldStart, heldEnd] = [valueStart, valueEnd];
          else {
            const values = [text.slice(heldStart, heldEnd), text.slice(valueStart, valueEnd)] as const;
            const names = this.#names(values, table);
            isMapped = names !== undefined;
            if (names === undefined) break;
            written += text.slice(from, heldStart) + names[0] + text.slice(heldEnd, valueStart) + names[1];
            from = valueEnd;
          }
        } else if (table !== undefined) {
          const value = table.get(text.slice(valueStart, valueEnd));
          isMapped = value !== undefined;
          if (value === undefined) break;
          written += text.slice(from, valueStart) + value;
          from = valueEnd;
        }
        at = valueEnd + 1;
      }
      if (isMapped) lines += 1;
      else {
        written = before + text.slice(beforeFrom, start);
        from = end;
      }
      start = end;
    }
    return { text: written + text.slice(from), lines };
  }

  /** The names for the two values of a pod, in their order; `last` is the label of the second. */
  #names([one, other]: readonly [string, string], last: 'namespace' | 'pod') {
    const found = last === 'pod' ? this.podNames?.find(one, other) : this.podNames?.find(other, one);
    if (found === undefined) return undefined;
    const { namespace, name } = found;
    return last === 'pod' ? ([namespace, name] as const) : ([name, namespace] as const);
  }

  /** By the places of labels, up to the last that is mapped; undefined where not all are there. */
  #tablesOf(labelNames: readonly string[]): readonly (Place | undefined)[] | undefined {
    const tables: (Place | undefined)[] = [];
    for (let label = 0, found = 0; label < labelNames.length; label += 1) {
      const table = this.#tables.get(labelNames[label] ?? '');
      tables.push(table);
      if (table !== undefined) found += 1;
      if (found === this.#tables.size) return tables;
    }
    return undefined;
  }
}
