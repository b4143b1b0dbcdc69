import type { Histogram } from 'prom-client';

/** What prom-client keeps of one series. Its types do not have it, so that its shape is looked at first. */
interface Series {
  readonly labels: Readonly<Record<string, unknown>>;
  readonly bucketValues: Record<number, number>;
  sum: number;
  count: number;
}

/**
 * Observes into a prom-client histogram without looking its series up by eight labels each time, which is most
 * of what counting a request costs: series are remembered by the object that holds the labels. Where prom-client
 * keeps them otherwise than it does today, it is asked to observe by itself.
 */
export class FastHistogram<Name extends string> {
  readonly #remembered = new Map<object, Series>();
  readonly #bounds: readonly number[];
  #of: unknown;

  /** `bounds`: those of the histogram's buckets, ascending. */
  constructor(
    readonly histogram: Histogram<Name>,
    bounds: readonly number[],
  ) {
    this.#bounds = bounds;
  }

  /** `labels`: the same object for the same labels, and never changed. `value`: finite. */
  observe(labels: Readonly<Record<Name, string>>, value: number): void {
    const all = (this.histogram as { readonly hashMap?: unknown }).hashMap;
    if (all !== this.#of) {
      // The registry was reset.
      this.#remembered.clear();
      this.#of = all;
    }
    const series = this.#remembered.get(labels);
    if (series === undefined) {
      this.histogram.observe(labels, value);
      const added = seriesOf(all, labels);
      if (added !== undefined) this.#remembered.set(labels, added);
      return;
    }
    series.sum += value;
    series.count += 1;
    const bound = this.#bounds.find((candidate) => value <= candidate);
    if (bound !== undefined) series.bucketValues[bound] = (series.bucketValues[bound] ?? 0) + 1;
  }
}

function seriesOf(all: unknown, labels: Readonly<Record<string, string>>): Series | undefined {
  if (typeof all !== 'object' || all === null) return undefined;
  const names = Object.keys(labels);
  return Object.values(all)
    .filter(isSeries)
    .find((series) => names.every((name) => series.labels[name] === labels[name]));
}

function isSeries(value: unknown): value is Series {
  if (typeof value !== 'object' || value === null) return false;
  const { labels, bucketValues, sum, count } = value as Partial<Series>;
  const isWhole = typeof labels === 'object' && typeof bucketValues === 'object';
  return isWhole && typeof sum === 'number' && typeof count === 'number';
}
