import { largestTimerDelayMs } from '../../timer.js';
import { MergingOptionError, requireOptions, type UpstreamError } from '../exposition-errors.js';
import type { Exposition } from '../exposition.js';
import { labelNameFault } from '../relabelling/label-mapping.js';

/** One of several expositions that are merged. */
export interface MergedMember {
  /** Its name in metrics and errors: 1 to 63 of `[A-Za-z0-9_.-]`. */
  readonly name: string;
  readonly exposition: Exposition;
  /** Added to each of its series; a label of the same name becomes `exported_<name>`, as in Prometheus. */
  readonly labels?: Readonly<Record<string, string>>;
}

export type MemberFault = 'unavailable' | 'timeout' | 'malformed' | 'too-large';

/** Why a member is missing from a scrape. */
export interface MemberFailure {
  readonly member: string;
  readonly reason: MemberFault;
  /** Its message names the member, and the line if one is at fault. */
  readonly error: UpstreamError;
}

/** The part of a member that could not be merged. */
export interface LeftOut {
  readonly member: string;
  readonly family: string;
  /**
   * `conflict`: the metric has another type in an earlier member, or its samples belong to another metric there.
   * `duplicate`: an earlier member has the same series, perhaps only after labels were renamed.
   */
  readonly cause: 'conflict' | 'duplicate';
  /** How many series, which is sample lines. */
  readonly series: number;
}

export interface MergedExpositionOptions {
  /**
   * At least one, in the order in which their metrics are served. Of contradicting metrics, and of equal series, the
   * first is served.
   */
  readonly members: readonly MergedMember[];
  /** How long a member's whole exposition may take (ms), unless the scraper waits less. Default 10,000. */
  readonly timeoutMs?: number;
  /**
   * How large a member's exposition may be; where it is held in memory, with its labels and with what its metrics take
   * beyond the first 1000, some 768 bytes each (bytes). Default 64 MiB.
   */
  readonly maxHeldBytes?: number;
  /**
   * Up to here nothing is sent before all has come (bytes, of all members). What is larger is merged while it comes,
   * if each member was whole, and its metrics in the order of their names, in its last scrape. Default 2 MiB.
   */
  readonly maxBytesAhead?: number;
  /** Called with the reason why a member is missing from a scrape; not if the scraper disconnected. */
  readonly onFailure?: (failure: MemberFailure) => void;
  /** Called for what could not be merged, once for each metric of a member in a scrape. */
  readonly onLeftOut?: (leftOut: LeftOut) => void;
}

const maxLabelValueLength = 1024;

/** @throws MergingOptionError */
export function checkMergingOptions({
  members,
  timeoutMs = 1,
  maxHeldBytes = 1,
  maxBytesAhead = 1,
}: MergedExpositionOptions): void {
  requireOptions(MergingOptionError, {
    'members: pass at least one': members.length > 0,
    'timeoutMs: pass a positive number of milliseconds': timeoutMs > 0 && timeoutMs <= largestTimerDelayMs,
    'maxHeldBytes: pass a whole number of at least 1': Number.isSafeInteger(maxHeldBytes) && maxHeldBytes > 0,
    'maxBytesAhead: pass a whole number of at least 1':
      Number.isSafeInteger(maxBytesAhead) && maxBytesAhead > 0,
  });
  const names = new Set<string>();
  for (const { name, labels = {} } of members) {
    const nameFault = memberNameFault(name);
    if (nameFault !== undefined) throw new MergingOptionError(`members: a name ${nameFault}`);
    if (names.has(name)) throw new MergingOptionError(`members: two are called "${name}"`);
    names.add(name);
    for (const [label, value] of Object.entries(labels)) {
      const fault = labelNameFault(label) ?? labelValueFault(label, value);
      if (fault !== undefined) throw new MergingOptionError(`members: ${fault}`);
    }
  }
}

/** Why a member cannot have this name; the end of a sentence. */
export function memberNameFault(name: string): string | undefined {
  return /^[A-Za-z0-9_.-]{1,63}$/.test(name) ? undefined : 'must be 1 to 63 of A-Z a-z 0-9 _ . -';
}

/** To Prometheus, an empty value is no label; half a character cannot be written. */
function labelValueFault(label: string, value: string): string | undefined {
  const isText = value !== '' && value.length <= maxLabelValueLength && value.isWellFormed();
  return isText ? undefined : `"${label}" needs a value of 1 to ${maxLabelValueLength} characters`;
}
