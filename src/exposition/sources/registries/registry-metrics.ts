import type { MetricObject, Registry, RegistryContentType } from 'prom-client';
import type { CollectedMetric } from './collected-metric.js';
import { isObject, memberOf, type Labels } from './prom-client-metrics.js';

export type AnyRegistry = Registry<RegistryContentType>;

/** Labels that the registry adds to all series; undefined where it is none of prom-client 15. */
export function defaultLabelsOf(registry: AnyRegistry): Labels | undefined {
  const labels = memberOf(registry, '_defaultLabels');
  return isObject(labels) ? (labels as Labels) : undefined;
}

/**
 * A metric under the name that it was given. Once prom-client has written OpenMetrics, its counters have lost their
 * suffix, and would have other series in the text format from then on.
 */
export function underItsName(
  collected: CollectedMetric,
  metric: MetricObject,
  registry: AnyRegistry,
): CollectedMetric {
  if (collected.type !== 'counter' || collected.name.endsWith('_total')) return collected;
  const name = `${collected.name}_total`;
  const registered: object | undefined = registry.getSingleMetric(name);
  return registered === metric ? { ...collected, name } : collected;
}
