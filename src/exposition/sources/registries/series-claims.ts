import type { ExpositionFormat } from '../../text-format/exposition-format.js';
import { openMember, type Family, type FamilyMember } from './families.js';

/** So many that none of them takes long to grow. */
const shards = 64;

/** Which member of a family a series belongs to: to the first that has it. */
export class SeriesClaims {
  readonly #owners = Array.from({ length: shards }, () => new Map<string, FamilyMember>());

  /** Whether the series is this member's. */
  claim(identity: string, member: FamilyMember): boolean {
    const owners = this.#owners[shardOf(identity)] ?? new Map<string, FamilyMember>();
    const owner = owners.get(identity);
    if (owner === undefined) owners.set(identity, member);
    return owner === undefined || owner === member;
  }
}

/** By its end, where the series of a metric differ. */
function shardOf(identity: string): number {
  let hash = 0;
  for (let at = Math.max(0, identity.length - 12); at < identity.length; at += 1) {
    hash = Math.imul(hash ^ identity.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 8) % shards;
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
