import { labelNameFault } from './label-name.js';
import type { LabelMapping } from './label-mapping.js';
import type { LabelValueTable } from './label-value-table.js';
import { RelabellingOptionError } from '../exposition-errors.js';

export interface LabelChanges {
  readonly dropLabels: readonly string[];
  /** By the label's name. All are renamed at once: two labels can change places. */
  readonly renameLabels: Readonly<Record<string, string>>;
}

/** What becomes of one label. */
export interface LabelRule {
  readonly label: Buffer;
  readonly isDropped: boolean;
  readonly newName: Buffer | undefined;
  /** Values that are not in it are nobody's here. */
  readonly values: LabelValueTable | undefined;
}

/** @throws RelabellingOptionError */
export function checkLabelChanges({ dropLabels, renameLabels }: LabelChanges): void {
  const fail = (option: keyof LabelChanges, fault: string): never => {
    throw new RelabellingOptionError(`${option}: ${fault}`);
  };
  for (const label of dropLabels) {
    const fault = labelNameFault(label);
    if (fault !== undefined) fail('dropLabels', fault);
    if (Object.hasOwn(renameLabels, label)) fail('dropLabels', `"${label}" is renamed, too`);
  }
  const targets = new Set<string>();
  for (const [from, to] of Object.entries(renameLabels)) {
    const fault = labelNameFault(from) ?? labelNameFault(to);
    if (fault !== undefined) fail('renameLabels', fault);
    if (from === to) fail('renameLabels', `"${from}" becomes itself`);
    if (targets.has(to)) fail('renameLabels', `two labels become "${to}"`);
    targets.add(to);
  }
}

/** A label that is mapped and dropped decides which series are kept, and is not seen. */
export function labelRules(
  { dropLabels, renameLabels }: LabelChanges,
  mapping: LabelMapping | undefined,
): readonly LabelRule[] {
  const labels = new Set([...dropLabels, ...Object.keys(renameLabels), ...(mapping?.labels ?? [])]);
  return [...labels].map((label) => {
    const newName = Object.hasOwn(renameLabels, label) ? renameLabels[label] : undefined;
    return {
      label: Buffer.from(label),
      isDropped: dropLabels.includes(label),
      newName: newName === undefined ? undefined : Buffer.from(newName),
      values: mapping?.tableOf(label),
    };
  });
}
