import type { TimeSlice } from '../../../time-slice.js';
import type { Collection, Collectors } from './collectors.js';
import type { FamilyMember } from './families.js';
import { defaultLabelsOf, underItsName, type AnyRegistry } from './registry-metrics.js';

export interface CollectingOptions {
  readonly collectors: Collectors;
  readonly slice: TimeSlice;
  /** How long a collector may take from its start (ms). */
  readonly timeoutMs: number;
  readonly onLeftOut: (metric: string, collection: Collection & { readonly kind: 'left-out' }) => void;
}

/** Starts the collectors of all registries, in their order and all before the first is waited for. */
export async function collectRegistries(
  registries: readonly AnyRegistry[],
  { collectors, slice, timeoutMs, onLeftOut }: CollectingOptions,
): Promise<readonly FamilyMember[]> {
  const started = [];
  for (const registry of registries) {
    for (const metric of registry.getMetricsAsArray()) {
      started.push({ registry, metric, collection: collectors.collect(metric, timeoutMs) });
      if (slice.isOver) await slice.rest();
    }
  }
  const members: FamilyMember[] = [];
  for (const { registry, metric, collection } of started) {
    const collected = collection instanceof Promise ? await collection : collection;
    if (collected.kind === 'left-out') onLeftOut(metric.name, collected);
    else {
      members.push({
        metric: underItsName(collected.metric, metric, registry),
        defaultLabels: defaultLabelsOf(registry) ?? {},
      });
    }
    if (slice.isOver) await slice.rest();
  }
  return members;
}
