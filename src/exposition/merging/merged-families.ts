import { metadataLine, writtenType, type MetricType } from '../text-format/metadata-line.js';
import type { ChunkWriter } from '../body.js';
import type { HeldExposition, HeldFamily } from './held-exposition.js';
import type { LeftOut, MergedMember } from './merging-options.js';

/** What one member has of a metric. */
export interface MergedPiece {
  readonly member: Pick<MergedMember, 'name' | 'labels'>;
  readonly bytes: ChunkWriter;
  /** Of each run of lines the start and the end. */
  readonly runs: readonly number[];
  readonly hasRenamedLabels: boolean;
}

/** One metric of all members that have it, as it is written. */
export interface GroupedFamily {
  readonly name: string;
  readonly header: string;
  readonly pieces: readonly MergedPiece[];
  /** Whether labels do not tell all series apart. */
  readonly mayHaveDuplicates: boolean;
}

/** What its header says. */
interface Described {
  readonly name: string;
  readonly type: MetricType;
  /** As escaped; the first that a member gave. */
  help: string | undefined;
}

interface OpenFamily extends Described {
  readonly pieces: MergedPiece[];
  mayHaveDuplicates: boolean;
}

/** The families of several expositions by name, in the order in which they come. */
export class MergedFamilies {
  #families = new Map<string, OpenFamily>();
  /** The family that each name of a family or of its samples belongs to. */
  readonly #owners = new Map<string, string>();
  /** Whether one was left out that is named as samples of another, or the other way round. */
  haveNamesInCommon = false;

  constructor(private readonly onLeftOut: (leftOut: LeftOut) => void) {}

  /** A family that cannot stand with those before is left out, since it would spoil the whole exposition. */
  add(member: MergedPiece['member'], { bytes }: HeldExposition, family: HeldFamily): void {
    const { name, help, state } = family;
    const { runs, sampleNames, series, hasRenamedLabels } = state;
    const type = writtenType(family.type, 'text');
    const names = [name, ...sampleNames];
    const before = this.#families.get(name);
    const isOwned = (one: string): boolean => (this.#owners.get(one) ?? name) !== name;
    const hasNameInCommon = names.some(isOwned);
    this.haveNamesInCommon ||= hasNameInCommon;
    if ((before !== undefined && before.type !== type) || hasNameInCommon) {
      this.onLeftOut({ member: member.name, family: name, cause: 'conflict', series });
      return;
    }
    for (const one of names) this.#owners.set(one, name);
    const piece = { member, bytes, runs, hasRenamedLabels };
    if (before === undefined) {
      this.#families.set(name, { name, type, help, pieces: [piece], mayHaveDuplicates: hasRenamedLabels });
      return;
    }
    before.help ??= help;
    // Asked in this order, so that no piece is compared with many of its own member.
    before.mayHaveDuplicates ||=
      hasRenamedLabels || before.pieces.some((other) => !areToldApart(member, other.member));
    before.pieces.push(piece);
  }

  /** By name, in steps: one member may have very many. What each member added has to be in this order already. */
  *sort(): Generator<undefined, void, undefined> {
    const runs: OpenFamily[][] = [];
    let before: string | undefined;
    for (const family of this.#families.values()) {
      if (before === undefined || family.name < before) runs.push([]);
      runs.at(-1)?.push(family);
      before = family.name;
      yield;
    }
    const places = runs.map(() => 0);
    const sorted = new Map<string, OpenFamily>();
    for (;;) {
      let first: OpenFamily | undefined;
      let from = 0;
      for (const [at, run] of runs.entries()) {
        const family = run[places[at] ?? 0];
        if (family === undefined || (first !== undefined && first.name < family.name)) continue;
        first = family;
        from = at;
      }
      if (first === undefined) break;
      sorted.set(first.name, first);
      places[from] = (places[from] ?? 0) + 1;
      yield;
    }
    this.#families = sorted;
  }

  /** Puts families behind all others. */
  moveToEnd(names: readonly string[]): void {
    for (const name of names) {
      const family = this.#families.get(name);
      this.#families.delete(name);
      if (family !== undefined) this.#families.set(name, family);
    }
  }

  *values(): Generator<GroupedFamily, void, undefined> {
    for (const family of this.#families.values()) yield { ...family, header: familyHeader(family) };
  }
}

/** The type is always written: without it, samples could be taken for those of the previous family. */
export function familyHeader({ name, type, help }: Described): string {
  const helpLine = help === undefined ? '' : metadataLine(name, { kind: 'HELP', text: help });
  return helpLine + metadataLine(name, { kind: 'TYPE', text: type });
}

/** Whether a common label has different values. */
export function areToldApart(
  { labels = {} }: Pick<MergedMember, 'labels'>,
  other: Pick<MergedMember, 'labels'>,
): boolean {
  return Object.entries(labels).some(([name, value]) => {
    const others = other.labels?.[name];
    return others !== undefined && others !== value;
  });
}
