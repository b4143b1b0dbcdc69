import { labelNameFault } from './label-name.js';
import { LabelValueTable } from './label-value-table.js';
import { RelabellingOptionError } from '../exposition-errors.js';

/**
 * For each label that it names, what the label's values are called elsewhere. A series is kept only where every one
 * of these labels has a value that has another name here: what nobody has named is seen by nobody.
 */
export class LabelMapping {
  readonly #tables: ReadonlyMap<string, LabelValueTable>;

  constructor(tables: ReadonlyMap<string, LabelValueTable>) {
    this.#tables = tables;
  }

  /** @throws RelabellingOptionError */
  static of(labels: Readonly<Record<string, Readonly<Record<string, string>>>>): LabelMapping {
    const tables = new Map<string, LabelValueTable>();
    for (const [label, values] of Object.entries(labels)) {
      const table = new LabelValueTable();
      const fault =
        labelNameFault(label) ??
        Object.entries(values)
          .map(([from, to]) => table.add(from, to))
          .find((found) => found !== undefined);
      if (fault !== undefined) throw new RelabellingOptionError(`labelMapping: ${fault}`);
      tables.set(label, table);
    }
    if (tables.size === 0) throw new RelabellingOptionError('labelMapping: names no label');
    return new LabelMapping(tables);
  }

  get labels(): readonly string[] {
    return [...this.#tables.keys()];
  }

  tableOf(label: string): LabelValueTable | undefined {
    return this.#tables.get(label);
  }

  /** Whether no two values of a label get one name, so that no two series become one. */
  get isOneToOne(): boolean {
    return [...this.#tables.values()].every((table) => table.isOneToOne);
  }
}
