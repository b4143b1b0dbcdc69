import {
  metadataLine,
  sampleSuffixes,
  type FamilyMetadata,
  type Metadata,
  type MetricType,
} from './metadata-line.js';

/** A metric of one exposition, with `state` for its reader. */
export class KnownFamily<State> {
  /** In the order in which they came. */
  readonly metadata = new Map<Metadata['kind'], Metadata>();
  /** Those of every TYPE so far: samples belong together whichever type it is in the end. */
  #suffixes: readonly string[] = [];
  /** Whether samples of it have been read. */
  hasBegun = false;

  constructor(
    readonly name: string,
    readonly state: State,
  ) {}

  /** Of several HELP, TYPE or UNIT the last counts, as in Prometheus. Returns whether it is new. */
  add(metadata: Metadata): boolean {
    const isNew = this.metadata.get(metadata.kind)?.text !== metadata.text;
    this.metadata.set(metadata.kind, metadata);
    if (isNew && metadata.kind === 'TYPE') {
      this.#suffixes = [...new Set([...this.#suffixes, ...sampleSuffixes[metadata.text]])];
    }
    return isNew;
  }

  get type(): MetricType {
    const metadata = this.metadata.get('TYPE');
    return metadata?.kind === 'TYPE' ? metadata.text : 'unknown';
  }

  /** As escaped. */
  get help(): string | undefined {
    return this.metadata.get('HELP')?.text;
  }

  /** Its HELP, TYPE and UNIT lines. */
  get header(): string {
    return [...this.metadata.values()].map((metadata) => metadataLine(this.name, metadata)).join('');
  }

  /** Whether samples of this name are this metric's. */
  hasSamples(name: string): boolean {
    if (name === this.name) return true;
    return name.startsWith(this.name) && this.#suffixes.includes(name.slice(this.name.length));
  }
}

/** The memory for the position of a run of lines, and for a metric with the names of its samples (bytes; measured). */
const runBytes = 16;
const familyBytes = 768;
/** So many metrics take less than a MiB. */
const uncountedFamilies = 1000;

/** The metrics of one exposition, even if their samples are scattered. */
export class KnownFamilies<State> {
  readonly #families = new Map<string, KnownFamily<State>>();
  /** The one that was read last: most samples follow their header directly. */
  current: KnownFamily<State> | undefined;
  /** Characters of all names and headers. */
  headerLength = 0;
  /** Whether each metric came after those whose names are less, and all of it together, its header first. */
  areSorted = true;
  /** The one that was begun most recently. */
  #last: string | undefined;

  constructor(private readonly newState: () => State) {}

  /**
   * Returns the metric if the line says something new about it.
   *
   * @param onFound called for metrics without a header that turn out to be samples of this one, such as `…_sum`.
   */
  add(
    { family: name, metadata }: FamilyMetadata,
    onFound: (strayed: State, state: State) => void,
  ): KnownFamily<State> | undefined {
    const family = this.#families.get(name) ?? this.#begin(name);
    this.current = family;
    if (name !== this.#last) this.areSorted = false;
    if (!family.add(metadata)) return undefined;
    if (family.hasBegun) this.areSorted = false;
    this.headerLength += metadata.text.length;
    if (metadata.kind !== 'TYPE') return family;
    for (const suffix of sampleSuffixes[metadata.text]) {
      const strayed = this.#families.get(name + suffix);
      if (suffix === '' || strayed === undefined || strayed.metadata.size > 0) continue;
      this.#families.delete(strayed.name);
      onFound(strayed.state, family.state);
      family.hasBegun = true;
    }
    return family;
  }

  /** The metric that samples of this name are of. */
  of(sampleName: string): KnownFamily<State> {
    if (this.current?.name !== sampleName) this.current = this.#find(sampleName);
    this.current.hasBegun = true;
    if (this.current.name !== this.#last) this.areSorted = false;
    return this.current;
  }

  get all(): Iterable<KnownFamily<State>> {
    return this.#families.values();
  }

  has(name: string): boolean {
    return this.#families.has(name);
  }

  /** What they take in memory, with so many runs of lines (bytes): tiny metrics take far more than their lines. */
  bytes(runs = 0): number {
    return Math.max(0, this.size - uncountedFamilies) * familyBytes + this.headerLength + runs * runBytes;
  }

  get size(): number {
    return this.#families.size;
  }

  #find(sampleName: string): KnownFamily<State> {
    const itsOwn = this.#families.get(sampleName);
    // A header may come far before its samples.
    if (itsOwn?.hasBegun === false && itsOwn.metadata.size > 0) return itsOwn;
    if (this.current?.hasSamples(sampleName) === true) return this.current;
    if (itsOwn !== undefined) return itsOwn;
    // All suffixes have one underscore, before their word.
    const family = this.#families.get(sampleName.slice(0, Math.max(0, sampleName.lastIndexOf('_'))));
    return family?.hasSamples(sampleName) === true ? family : this.#begin(sampleName);
  }

  #begin(name: string): KnownFamily<State> {
    const family = new KnownFamily(name, this.newState());
    this.#families.set(name, family);
    this.headerLength += name.length;
    if (this.#last !== undefined && name < this.#last) this.areSorted = false;
    this.#last = name;
    return family;
  }
}

/** Adds a run of lines; one that begins where the last one ends becomes part of it. Returns whether it is a new one. */
export function addRun(runs: number[], start: number, end: number): boolean {
  if (runs.at(-1) === start) {
    runs[runs.length - 1] = end;
    return false;
  }
  runs.push(start, end);
  return true;
}
