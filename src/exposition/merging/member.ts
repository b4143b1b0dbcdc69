import type { Exposition } from '../exposition.js';
import type { UpstreamError } from '../exposition-errors.js';

/** One of several expositions that are merged. */
export interface MergedMember {
  /** What its status, its failures and errors call it: 1 to 63 of `[A-Za-z0-9_.-]`. */
  readonly name: string;
  readonly exposition: Exposition;
  /** Added to each of its series; a label of the same name becomes `exported_<name>`, as in Prometheus. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Why nothing of a member is in a scrape. */
export interface MemberFailure {
  readonly member: string;
  readonly reason: MemberFault;
  /** Its message names the member, and the line where one is at fault. */
  readonly error: UpstreamError;
}

export type MemberFault = 'unavailable' | 'timeout' | 'malformed' | 'too-large';

/** What could not be merged of a member that is there. */
export interface LeftOut {
  readonly member: string;
  readonly family: string;
  /**
   * `conflict`: the metric has another type in a member before, or its samples stand in another metric there.
   * `duplicate`: a member before has series of the same names and labels, or they became the same by other names.
   */
  readonly cause: 'conflict' | 'duplicate';
  /** How many series, which is sample lines. */
  readonly series: number;
}

/** Why nothing can be called so; the end of a sentence. */
export function memberNameFault(name: string): string | undefined {
  return /^[A-Za-z0-9_.-]{1,63}$/.test(name) ? undefined : 'must be 1 to 63 of A-Z a-z 0-9 _ . -';
}
