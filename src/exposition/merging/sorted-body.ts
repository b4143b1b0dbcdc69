import { ChunkWriter } from '../body.js';
import { UpstreamError } from '../exposition-errors.js';
import type { ExpositionPart, SampleBatch } from '../text-format/exposition-part.js';
import { KnownFamilies, type KnownFamily } from '../text-format/known-families.js';
import { writtenType } from '../text-format/metadata-line.js';
import { AddedLabels } from './added-labels.js';
import { metricsFault } from './held-exposition.js';
import { familyHeader } from './merged-families.js';
import type { LeftOut } from './merging-options.js';
import type { MemberScrape } from './scrape-member.js';

/**
 * The metrics of members that all have them in the order of their names, written while they are read: in chunks, the last
 * one as the return value; the reader of each rests between time slices. Labels tell all series of one member from those
 * of another. `familiesEnd` is called behind the last metric, for what else is written.
 *
 * @throws what a member fails with.
 */
export async function* sortedBody(
  scrapes: readonly MemberScrape[],
  ownNames: readonly string[],
  onLeftOut: (leftOut: LeftOut) => void,
  familiesEnd: () => string,
): AsyncGenerator<Buffer, Buffer, undefined> {
  const output = new ChunkWriter();
  const members = scrapes.map((scrape) => new SortedMember(scrape, ownNames));
  /** The metric that each name of samples belongs to. */
  const owners = new Map<string, string>();
  try {
    await Promise.all(members.map((member) => member.begin()));
    for (let name = firstName(members); name !== undefined; name = firstName(members)) {
      const having = members.filter(({ family }) => family?.name === name);
      // The first member would decide, which may be the one that has this one.
      if ((owners.get(name) ?? name) !== name)
        for (const member of having) throw member.changed('metrics have names in common');
      const type = writtenType(having[0]?.family?.type ?? 'untyped', 'text');
      const isKept = ({ family }: SortedMember): boolean =>
        family !== undefined && writtenType(family.type, 'text') === type;
      const help = having.find((member) => isKept(member) && member.family?.help !== undefined)?.family?.help;
      output.writeText(familyHeader({ name, type, help }));
      for (const member of having) {
        const isLeftOut = !isKept(member);
        let series = 0;
        for (let isOver = false; !isOver;) {
          for (let batch = member.samples(); batch !== undefined; batch = member.samples()) {
            if (isLeftOut) series += batch.lineEnds.length;
            else {
              owners.set(batch.sampleName, name);
              member.write(batch, output);
            }
          }
          for (const chunk of output.takeFull()) yield chunk;
          isOver = member.isAtEnd || !(await member.readMore());
        }
        if (isLeftOut)
          onLeftOut({ member: member.scrape.member.name, family: name, cause: 'conflict', series });
        await member.begin();
      }
    }
    output.writeText(familiesEnd());
    return yield* output.rest();
  } finally {
    for (const scrape of scrapes) scrape.close();
  }
}

function firstName(members: readonly SortedMember[]): string | undefined {
  let first: string | undefined;
  for (const { family } of members)
    if (family !== undefined && (first === undefined || family.name < first)) first = family.name;
  return first;
}

/** A member that is read metric by metric, a few parts ahead. */
class SortedMember {
  /** The metric that is being read; undefined behind the last one. */
  family: KnownFamily<undefined> | undefined;
  readonly #labels: AddedLabels | undefined;
  readonly #families = new KnownFamilies(() => undefined);
  readonly #all: AsyncGenerator<readonly ExpositionPart[], void, undefined>;
  #parts: readonly ExpositionPart[] = [];
  #at = 0;

  constructor(
    readonly scrape: MemberScrape,
    private readonly ownNames: readonly string[],
  ) {
    this.#labels = AddedLabels.of(scrape.member.labels);
    this.#all = scrape.parts();
  }

  /** Whether the next part, which has been read, is another metric's. */
  get isAtEnd(): boolean {
    return this.#at < this.#parts.length;
  }

  /** Reads up to the samples of the next metric, or up to the metric behind it if it has none. */
  async begin(): Promise<void> {
    this.family = undefined;
    do {
      for (; this.#at < this.#parts.length; this.#at += 1) {
        const part = this.#parts[this.#at];
        if (part === undefined || !this.#isNext(part) || part.kind === 'samples') return;
      }
    } while (await this.readMore());
  }

  /** The next samples of this metric that have been read. */
  samples(): SampleBatch | undefined {
    for (; this.#at < this.#parts.length; this.#at += 1) {
      const part = this.#parts[this.#at];
      if (part === undefined || !this.#isNext(part)) return undefined;
      if (part.kind !== 'samples') continue;
      this.#at += 1;
      return part;
    }
    return undefined;
  }

  /** Whether a part is of the metric that is being read; where none is, its metric is the next one. */
  #isNext(part: ExpositionPart): boolean {
    const { family } = this;
    if (part.kind === 'metadata') {
      if (family !== undefined && family.name !== part.family) return false;
      // What stands there already may be repeated.
      this.#families.add(part, () => undefined);
      this.family = this.#families.current;
    } else if (part.kind === 'samples') {
      const found = this.#families.of(part.sampleName);
      if (family !== undefined && family !== found) return false;
      this.family = found;
    } else return true;
    this.#check();
    return true;
  }

  write(samples: SampleBatch, output: ChunkWriter): void {
    if (this.#labels === undefined) output.write(samples.bytes);
    else if (this.#labels.write(samples, output)) throw this.changed('series have a label that is added');
  }

  /** Reads on; returns whether there was more. */
  async readMore(): Promise<boolean> {
    const next = await this.scrape.attempt(() => this.#all.next());
    if (next === undefined) throw this.scrape.failure?.error ?? new Error('closed');
    this.#at = 0;
    this.#parts = next.value ?? [];
    return next.done !== true;
  }

  #check(): void {
    const { areSorted } = this.#families;
    if (!areSorted || (this.family !== undefined && this.ownNames.includes(this.family.name)))
      throw this.changed('metrics are not in the order of their names');
    const fault = metricsFault(this.#families, this.scrape.maxBytes);
    if (fault !== undefined) throw this.scrape.fail(fault);
  }

  /** What it is not read whole for must be as it was in its last scrape. */
  changed(how: string): UpstreamError {
    return this.scrape.fail(new UpstreamError(`unlike in its last scrape, its ${how}`));
  }
}
