import { Counter, Gauge, Histogram, Summary, type MetricObject } from 'prom-client';

/** What prom-client 15 keeps and hands out, as far as its own types leave it out. */
export type Labels = Readonly<Record<string, unknown>>;

export interface Exemplar {
  readonly labelSet: Labels;
  readonly value: unknown;
  readonly timestamp?: unknown;
}

/** A metric's series by a key of their labels. A reset puts another object in its place. */
export type HashMap<Entry> = Readonly<Record<string, Entry | undefined>>;

/** One series of a counter or a gauge. */
export interface ValueEntry {
  readonly labels: Labels;
  readonly value: unknown;
  readonly exemplar?: Exemplar;
}

export interface HistogramEntry {
  readonly labels: Labels;
  /** By upper bound; each without those of the smaller ones. */
  readonly bucketValues: Readonly<Record<string, number>>;
  /** By upper bound; that of `+Inf` under -1. */
  readonly bucketExemplars?: Readonly<Record<string, Exemplar | null | undefined>>;
  readonly sum: number;
  readonly count: number;
}

export interface SummaryEntry {
  readonly labels: Labels;
  readonly td: {
    compress(): void;
    percentile(rank: number): number | undefined;
    size(): number;
  };
  readonly sum: number;
  readonly count: number;
}

/** One line of what a metric's `get()` gives. */
export interface GatheredValue {
  readonly metricName?: string | undefined;
  readonly labels?: Labels;
  readonly sharedLabels?: Labels;
  readonly value: unknown;
  readonly exemplar?: Exemplar | null | undefined;
}

/** A metric whose series can be read one by one, where `get()` would copy them all at once. */
export type ReadableMetric =
  | { readonly kind: 'values'; readonly hashMap: HashMap<ValueEntry> }
  | {
      readonly kind: 'histogram';
      readonly hashMap: HashMap<HistogramEntry>;
      readonly upperBounds: readonly number[];
    }
  | {
      readonly kind: 'summary';
      readonly hashMap: Record<string, SummaryEntry | undefined>;
      readonly percentiles: readonly number[];
      readonly pruneAgedBuckets: boolean;
    };

interface KnownClass {
  readonly prototype: object;
  readonly kind: ReadableMetric['kind'];
}

const knownClasses: readonly KnownClass[] = [
  { prototype: Counter.prototype, kind: 'values' },
  { prototype: Gauge.prototype, kind: 'values' },
  { prototype: Histogram.prototype, kind: 'histogram' },
  { prototype: Summary.prototype, kind: 'summary' },
];

/** What prom-client's registry asks a metric for its values with. */
const gatherers = ['get', 'getForPromString'] as const;

/**
 * What the metric is, where it is one of prom-client's own and holds its series as they do; undefined for any
 * other: of another class, with a `get` of its own, or of a prom-client that keeps them otherwise.
 */
export function readableKind(metric: MetricObject): ReadableMetric['kind'] | undefined {
  const known = knownClasses.find(({ prototype }) => Object.prototype.isPrototypeOf.call(prototype, metric));
  if (known === undefined) return undefined;
  const isItsOwn = gatherers.every((name) => memberOf(metric, name) === memberOf(known.prototype, name));
  return isItsOwn && readMetric(metric, known.kind) !== undefined ? known.kind : undefined;
}

/** The metric's series as they are kept now; undefined where they are not kept as expected. */
export function readMetric(metric: MetricObject, kind: ReadableMetric['kind']): ReadableMetric | undefined {
  const hashMap = memberOf(metric, 'hashMap');
  if (!isObject(hashMap)) return undefined;
  switch (kind) {
    case 'values':
      return { kind, hashMap: hashMap as HashMap<ValueEntry> };
    case 'histogram': {
      const upperBounds = memberOf(metric, 'upperBounds');
      if (!isNumbers(upperBounds)) return undefined;
      return { kind, hashMap: hashMap as HashMap<HistogramEntry>, upperBounds };
    }
    case 'summary': {
      const percentiles = memberOf(metric, 'percentiles');
      if (!isNumbers(percentiles)) return undefined;
      const pruneAgedBuckets = Boolean(memberOf(metric, 'pruneAgedBuckets'));
      return {
        kind,
        hashMap: hashMap as Record<string, SummaryEntry | undefined>,
        percentiles,
        pruneAgedBuckets,
      };
    }
  }
}

/** A member that prom-client's types leave out. */
export function memberOf(object: object, name: string): unknown {
  return Reflect.get(object, name);
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((member) => typeof member === 'number');
}
