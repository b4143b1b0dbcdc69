import type { ExpositionFormat } from '../text-format/exposition-format.js';
import { openMember, type Family, type FamilyMember } from './families.js';

/** Which member of a family a series belongs to: to the first that has it. */
export class SeriesClaims {
  readonly #owners = new Map<string, FamilyMember>();

  /** Whether the series is this member's. */
  claim(identity: string, member: FamilyMember): boolean {
    const owner = this.#owners.get(identity);
    if (owner === undefined) this.#owners.set(identity, member);
    return owner === undefined || owner === member;
  }
}

/** Steps through a family that several metrics share, to find out whether two of them have the same series. */
export function* hasDuplicates(
  family: Family,
  format: ExpositionFormat,
): Generator<undefined, boolean, undefined> {
  const claims = new SeriesClaims();
  for (const member of family.members) {
    const series = openMember(family, member, format);
    for (let index = 0; index < series.length; index += 1) {
      const identity = series.identity(index);
      if (identity !== undefined && !claims.claim(identity, member)) return true;
      yield;
    }
  }
  return false;
}
