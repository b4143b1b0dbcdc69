import type { Registry } from 'prom-client';

export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** All that a registry would expose, without the buckets of histograms. */
export async function seriesOf(registry: Registry): Promise<readonly Series[]> {
  const metrics = await registry.getMetricsAsJSON();
  return metrics.flatMap(({ name, values }) =>
    values
      .map((value) => {
        const own = (value as { readonly metricName?: string }).metricName;
        return { name: own ?? name, labels: value.labels as Series['labels'], value: value.value };
      })
      .filter(({ labels }) => !('le' in labels)),
  );
}

/** As the text format has it: `name{label="value"} 1`. */
export async function linesOf(registry: Registry): Promise<readonly string[]> {
  const series = await seriesOf(registry);
  return series.map(({ name, labels, value }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${text}"`);
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
  });
}
