import type { Registry, RegistryContentType } from 'prom-client';

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

export function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((member) => typeof member === 'number');
}
