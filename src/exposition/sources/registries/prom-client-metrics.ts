import {
  Counter,
  Gauge,
  Histogram,
  Summary,
  type MetricObject,
  type Registry,
  type RegistryContentType,
} from 'prom-client';

// What prom-client 15 keeps and hands out, as far as its own types leave it out.

export type AnyRegistry = Registry<RegistryContentType>;

export type Labels = Readonly<Record<string, unknown>>;

export interface Exemplar {
  readonly labelSet: Labels;
  readonly value: unknown;
  readonly timestamp?: unknown;
}

/** A metric's series by a key of their labels. A reset puts another object in its place. */
export type HashMap<Entry> = Readonly<Record<string, Entry | undefined>>;

/** One series of a counter or a gauge. */
interface ValueEntry {
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

interface SummaryEntry {
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
      readonly hashMap: HashMap<SummaryEntry>;
      readonly percentiles: readonly number[];
      readonly pruneAgedBuckets: boolean;
    };

const knownClasses: readonly (readonly [object, ReadableMetric['kind']])[] = [
  [Counter.prototype, 'values'],
  [Gauge.prototype, 'values'],
  [Histogram.prototype, 'histogram'],
  [Summary.prototype, 'summary'],
];

/** What prom-client's registry asks a metric for its values with. */
const gatherers = ['get', 'getForPromString'] as const;

/**
 * The series of a metric of prom-client as they are kept now; undefined for any other: of another class, with a `get` of
 * its own, or of a prom-client that keeps them otherwise.
 */
export function readMetric(metric: MetricObject): ReadableMetric | undefined {
  const known = knownClasses.find(([prototype]) => Object.prototype.isPrototypeOf.call(prototype, metric));
  if (known === undefined) return undefined;
  const [prototype, kind] = known;
  if (gatherers.some((name) => memberOf(metric, name) !== memberOf(prototype, name))) return undefined;
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
      return { kind, hashMap: hashMap as HashMap<SummaryEntry>, percentiles, pruneAgedBuckets };
    }
  }
}

/** Labels that the registry adds to all series; undefined where it is none of prom-client 15. */
export function defaultLabelsOf(registry: AnyRegistry): Labels | undefined {
  const labels = memberOf(registry, '_defaultLabels');
  return isObject(labels) ? (labels as Labels) : undefined;
}

/** Whether all of them are registries of prom-client 15. */
export function areRegistries(registries: readonly AnyRegistry[]): boolean {
  return registries.every((registry) => defaultLabelsOf(registry) !== undefined);
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
