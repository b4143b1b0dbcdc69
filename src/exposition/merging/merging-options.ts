import { memberNameFault, type LeftOut, type MemberFailure, type MergedMember } from './member.js';
import { largestTimerDelayMs } from '../../timer.js';
import { MergingOptionError } from '../exposition-errors.js';
import { labelNameFault } from '../relabelling/label-mapping.js';

export interface MergedExpositionOptions {
  /**
   * At least one, in the order in which their metrics are served. Of what contradicts itself, and of series that are
   * the same, the first is served.
   */
  readonly members: readonly MergedMember[];
  /** How long a member's whole exposition may take (ms), where the scraper does not wait shorter. Default 10,000. */
  readonly timeoutMs?: number;
  /** How large a member's exposition may be, its labels included (bytes): it is held in memory. Default 64 MiB. */
  readonly maxHeldBytes?: number;
  /** Told why a scrape has nothing of a member; not of scrapers that went away. */
  readonly onFailure?: (failure: MemberFailure) => void;
  /** Told of what could not be merged, once for each metric of a member in a scrape. */
  readonly onLeftOut?: (leftOut: LeftOut) => void;
}

const maxLabelValueLength = 1024;

/** @throws MergingOptionError */
export function checkMergingOptions({ members, timeoutMs, maxHeldBytes }: MergedExpositionOptions): void {
  if (members.length === 0) throw new MergingOptionError('members: pass at least one');
  const names = new Set<string>();
  for (const { name, labels = {} } of members) {
    const fault = memberNameFault(name);
    if (fault !== undefined) throw new MergingOptionError(`members: a name ${fault}`);
    if (names.has(name)) throw new MergingOptionError(`members: two are called "${name}"`);
    names.add(name);
    for (const [label, value] of Object.entries(labels)) {
      const labelFault = labelNameFault(label) ?? labelValueFault(label, value);
      if (labelFault !== undefined) throw new MergingOptionError(`members: ${labelFault}`);
    }
  }
  if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= largestTimerDelayMs)) {
    throw new MergingOptionError('timeoutMs: pass a positive number of milliseconds');
  }
  if (maxHeldBytes !== undefined && !(Number.isSafeInteger(maxHeldBytes) && maxHeldBytes > 0)) {
    throw new MergingOptionError('maxHeldBytes: pass a whole number of at least 1');
  }
}

/** An empty value is none to Prometheus; half a character cannot be written. */
function labelValueFault(label: string, value: string): string | undefined {
  const isText = value !== '' && value.length <= maxLabelValueLength && value.isWellFormed();
  return isText ? undefined : `"${label}" needs a value of 1 to ${maxLabelValueLength} characters`;
}
