import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { aRegister, checkArgument } from '../option-checks.js';

/** A row of a table of metrics: makes a metric in a registry, and returns it or the function that records in it. */
type Row<Made> = (registry: Registry) => Made;

/** Rows by the names that the code uses. */
type Table = Readonly<Record<string, Row<unknown>>>;
type MadeOf<Rows extends Table> = { readonly [Name in keyof Rows]: ReturnType<Rows[Name]> };

/** `name{label,label}`, or the name alone where there are no labels. */
type SeriesName<Values extends readonly string[]> = Values extends readonly []
  ? string
  : `${string}{${string}}`;

interface GaugeOptions<Label extends string> {
  readonly labels?: readonly Label[];
  /** How the values of several workers are combined; default their sum. */
  readonly aggregator?: 'sum' | 'min' | 'max';
  /** All values, read when a scrape asks for them; one that is undefined is left out. Default: they are set. */
  readonly read?: () => Iterable<
    readonly [labels: Readonly<Record<Label, string>>, value: number | undefined]
  >;
}

export function gauge<Label extends string = never>(
  name: string,
  help: string,
  { labels: labelNames = [], aggregator = 'sum', read }: GaugeOptions<Label> = {},
): Row<Gauge<Label>> {
  return (registry) => {
    const collect = (): void => {
      if (read === undefined) return;
      made.reset();
      for (const [labels, value] of read()) if (value !== undefined) made.set(labels, value);
    };
    const made: Gauge<Label> = new Gauge({
      name,
      help,
      labelNames,
      aggregator,
      registers: [registry],
      collect,
    });
    return made;
  };
}

export function fastHistogram<Label extends string>(
  name: string,
  buckets: readonly number[],
  help: string,
  labelNames: readonly Label[],
): Row<FastHistogram<Label>> {
  return (registry) =>
    new FastHistogram(
      new Histogram({ name, help, labelNames, buckets: [...buckets], registers: [registry] }),
      buckets,
    );
}

/** Adds an amount under the values of the labels, in the order of their names. */
export function adds<Values extends readonly string[] = []>(
  series: SeriesName<Values>,
  help: string,
): Row<(amount: number, ...values: Values) => void> {
  const { name, labelNames } = parsed(series);
  return (registry) => {
    // Told to prom-client when a scrape asks: its way to a series takes as long as a step of a request.
    const pending = new Map<string, { readonly values: readonly string[]; amount: number }>();
    const made: Counter = new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        for (const [, { values, amount }] of pending) made.inc(labelled(labelNames, values), amount);
        pending.clear();
      },
    });
    return (amount, ...values) => {
      const key = keyOf(values);
      const known = pending.get(key);
      if (known === undefined) pending.set(key, { values, amount });
      else known.amount += amount;
    };
  };
}

export function counts<Values extends readonly string[] = []>(
  series: SeriesName<Values>,
  help: string,
): Row<(...values: Values) => void> {
  const row = adds<Values>(series, help);
  return (registry) => {
    const add = row(registry);
    return (...values) => {
      add(1, ...values);
    };
  };
}

export function observes<Values extends readonly string[]>(
  series: SeriesName<Values>,
  buckets: readonly number[],
  help: string,
): Row<(value: number, ...values: Values) => void> {
  const { name, labelNames } = parsed(series);
  return (registry) => {
    const made = fastHistogram(name, buckets, help, labelNames)(registry);
    const known = new Map<string, Readonly<Record<string, string>>>();
    return (value, ...values) => {
      const key = keyOf(values);
      const labels = known.get(key) ?? labelled(labelNames, values);
      known.set(key, labels);
      made.observe(labels, value);
    };
  };
}

function parsed(series: string): { readonly name: string; readonly labelNames: readonly string[] } {
  const [name = '', labels] = series.split(/[{}]/);
  return { name, labelNames: labels?.split(',') ?? [] };
}

function keyOf(values: readonly string[]): string {
  return values.length === 1 ? (values[0] ?? '') : values.join('\0');
}

function labelled(names: readonly string[], values: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let at = 0; at < names.length; at += 1) labels[names[at] ?? ''] = values[at] ?? '';
  return labels;
}

/** Makes all metrics of a table, in its order. @throws Error where the registry already holds one of the names. */
export function register<Rows extends Table>(registry: Registry, table: Rows): MadeOf<Rows> {
  checkArgument('registry', registry, aRegister);
  const made = Object.entries(table).map(([name, row]) => [name, row(registry)] as const);
  return Object.fromEntries(made) as MadeOf<Rows>;
}

/** The base of a class that records in the metrics of a table. @throws what `register` throws, when constructed. */
export function recorder<Rows extends Table>(table: Rows): new (registry: Registry) => MadeOf<Rows> {
  return function (this: object, registry: Registry) {
    Object.assign(this, register(registry, table));
  } as unknown as new (registry: Registry) => MadeOf<Rows>;
}

/** What prom-client keeps of one series. Its types lack it, so its shape is checked first. */
interface Series {
  readonly labels: Readonly<Record<string, unknown>>;
  readonly bucketValues: Record<number, number>;
  sum: number;
  count: number;
}

/**
 * Observes into a prom-client histogram without looking up the series by eight labels each time, which is most of the
 * cost of counting a request: series are remembered by the object that holds the labels. If prom-client keeps them
 * differently one day, its own `observe` is called.
 */
export class FastHistogram<Name extends string> {
  readonly #remembered = new Map<object, Series>();
  #of: unknown;

  /** `bounds`: those of the histogram's buckets, ascending. */
  constructor(
    readonly histogram: Histogram<Name>,
    private readonly bounds: readonly number[],
  ) {}

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
    const bound = this.bounds.find((candidate) => value <= candidate);
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
