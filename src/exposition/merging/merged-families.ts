import type { MetricType } from '../text-format/metric-type.js';
import type { HeldBytes } from './held-bytes.js';
import type { HeldExposition, HeldFamily } from './held-exposition.js';
import type { LeftOut, MergedMember } from './member.js';

/** One metric of all members that have it. */
export interface MergedFamily {
  readonly name: string;
  readonly type: MetricType;
  /** As escaped; the first that a member gave. */
  readonly help: string | undefined;
  readonly pieces: readonly MergedPiece[];
  /** Whether labels do not tell all series apart. */
  readonly mayHaveDuplicates: boolean;
}

/** What one member has of a metric. */
export interface MergedPiece {
  readonly member: Pick<MergedMember, 'name' | 'labels'>;
  readonly bytes: HeldBytes;
  readonly start: number;
  readonly end: number;
}

interface OpenFamily extends MergedFamily {
  help: string | undefined;
  readonly pieces: MergedPiece[];
  mayHaveDuplicates: boolean;
}

/** The families of several expositions by name, in the order in which they come. */
export class MergedFamilies {
  readonly #families = new Map<string, OpenFamily>();
  /** The family that each name of a family or of its samples belongs to. */
  readonly #owners = new Map<string, string>();
  readonly #onLeftOut: (leftOut: LeftOut) => void;

  constructor(onLeftOut: (leftOut: LeftOut) => void) {
    this.#onLeftOut = onLeftOut;
  }

  /** A family that cannot stand with those before is left out, since it would spoil the whole exposition. */
  add(member: MergedPiece['member'], { bytes }: HeldExposition, family: HeldFamily): void {
    const { name, help, start, end, sampleNames, series } = family;
    const type = knownType(family.type);
    const names = [name, ...sampleNames];
    const before = this.#families.get(name);
    const isOwned = (one: string): boolean => (this.#owners.get(one) ?? name) !== name;
    if ((before !== undefined && before.type !== type) || names.some(isOwned)) {
      this.#onLeftOut({ member: member.name, family: name, cause: 'conflict', series });
      return;
    }
    for (const one of names) this.#owners.set(one, name);
    const piece = { member, bytes, start, end };
    if (before === undefined) {
      const mayHaveDuplicates = family.hasRenamedLabels;
      this.#families.set(name, { name, type, help, pieces: [piece], mayHaveDuplicates });
      return;
    }
    before.help ??= help;
    // Asked in this order, so that no piece is compared with many of its own member.
    before.mayHaveDuplicates ||=
      family.hasRenamedLabels || before.pieces.some((other) => !areToldApart(member, other.member));
    before.pieces.push(piece);
  }

  /** Puts families behind all others. */
  moveToEnd(families: readonly HeldFamily[]): void {
    for (const { name } of families) {
      const family = this.#families.get(name);
      this.#families.delete(name);
      if (family !== undefined) this.#families.set(name, family);
    }
  }

  values(): Iterable<MergedFamily> {
    return this.#families.values();
  }
}

/** The text format's word for what nobody has said. */
function knownType(type: MetricType): MetricType {
  return type === 'unknown' ? 'untyped' : type;
}

/** Whether a label that both have has another value in each. */
function areToldApart({ labels = {} }: Pick<MergedMember, 'labels'>, other: MergedPiece['member']): boolean {
  return Object.entries(labels).some(([name, value]) => {
    const others = other.labels?.[name];
    return others !== undefined && others !== value;
  });
}
