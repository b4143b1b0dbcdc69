import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** A row of a table of metrics: makes the metric with this name in a registry. */
type Row<Metric> = (name: string, registry: Registry) => Metric;

/** By their names. */
type Table = Readonly<Record<string, Row<unknown>>>;

interface GaugeOptions<Label extends string> {
  readonly labels?: readonly Label[];
  /** What the values of several workers become together; default their sum. */
  readonly aggregator?: 'sum' | 'min' | 'max';
  /** Sets the values when a scrape asks for them. */
  readonly collect?: (gauge: Gauge<Label>) => void;
}

export function counter<Label extends string = never>(
  help: string,
  labelNames: readonly Label[] = [],
): Row<Counter<Label>> {
  return (name, registry) => new Counter({ name, help, labelNames, registers: [registry] });
}

export function gauge<Label extends string = never>(
  help: string,
  { labels = [], aggregator = 'sum', collect = () => undefined }: GaugeOptions<Label> = {},
): Row<Gauge<Label>> {
  return (name, registry) => {
    const made: Gauge<Label> = new Gauge({
      name,
      help,
      labelNames: labels,
      aggregator,
      registers: [registry],
      collect() {
        collect(made);
      },
    });
    return made;
  };
}

export function histogram<Label extends string = never>(
  buckets: readonly number[],
  help: string,
  labelNames: readonly Label[] = [],
): Row<Histogram<Label>> {
  return (name, registry) =>
    new Histogram({ name, help, labelNames, buckets: [...buckets], registers: [registry] });
}

/** Makes all metrics of a table, in its order. @throws Error where the registry already holds one of the names. */
export function register<Rows extends Table>(
  registry: Registry,
  table: Rows,
): { readonly [Name in keyof Rows]: ReturnType<Rows[Name]> } {
  const metrics = Object.entries(table).map(([name, row]) => [name, row(name, registry)] as const);
  return Object.fromEntries(metrics) as { readonly [Name in keyof Rows]: ReturnType<Rows[Name]> };
}
