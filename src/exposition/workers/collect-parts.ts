import type { CollectingOptions, Collectors } from '../sources/registries/collectors.js';
import { joinFamilies, openMember } from '../sources/registries/families.js';
import { memberOf, type AnyRegistry } from '../sources/registries/prom-client-metrics.js';
import { isAggregator, type ReportedFamily } from './report.js';
import { samplesIn } from './samples.js';

/** Samples and characters after which a part is full: little enough to be read at once. */
const fullSamples = 500;
const fullCharacters = 32_768;

/**
 * The metrics of registries, part by part and in time slices. A family longer than a part stands in several; those
 * whose aggregator is `omit` stand in none.
 */
export async function* collectParts(
  registries: readonly AnyRegistry[],
  collectors: Collectors,
  options: CollectingOptions,
): AsyncGenerator<readonly ReportedFamily[], void, undefined> {
  const { slice, onFailure } = options;
  const aggregators = aggregatorsOf(registries);
  const members = await collectors.collect(registries, options);
  const { families, conflicts } = await joinFamilies(members, 'text', slice);
  for (const { metric } of conflicts) onFailure({ metric, cause: 'duplicate-name' });
  let part: ReportedFamily[] = [];
  let [count, characters] = [0, 0];
  for (const family of families) {
    const { name, help, type } = family;
    const aggregator = aggregators.get(name) ?? 'sum';
    if (aggregator === 'omit') continue;
    if (!isAggregator(aggregator)) {
      const error = new TypeError('the metric has an aggregator that prom-client does not know');
      onFailure({ metric: name, cause: 'collect-failed', error });
      continue;
    }
    const open = (): ReportedFamily & { samples: string[]; values: number[] } => {
      const opened = { name, help, type, aggregator, samples: [], values: [] };
      part.push(opened);
      characters += name.length + help.length;
      return opened;
    };
    let reported = open();
    let failure: { readonly error: unknown } | undefined;
    for (const member of family.members) {
      const series = openMember(family, member, 'text');
      for (let index = 0; index < series.length; index += 1) {
        try {
          for (const { sample, value } of samplesIn(series.write(index))) {
            reported.samples.push(sample);
            reported.values.push(value);
            count += 1;
            characters += sample.length;
          }
        } catch (error) {
          failure ??= { error };
        }
        if (count >= fullSamples || characters >= fullCharacters) {
          yield part;
          part = [];
          [count, characters] = [0, 0];
          reported = open();
        }
        if (slice.isOver) await slice.rest();
      }
    }
    if (failure !== undefined) onFailure({ metric: name, cause: 'collect-failed', ...failure });
  }
  if (part.length > 0) yield part;
}

/** By the names that metrics have in the text format; of several with one name the first decides, as in prom-client. */
function aggregatorsOf(registries: readonly AnyRegistry[]): ReadonlyMap<string, unknown> {
  const aggregators = new Map<string, unknown>();
  for (const registry of registries) {
    for (const metric of registry.getMetricsAsArray()) {
      const aggregator = memberOf(metric, 'aggregator');
      // prom-client takes the suffix off its counters' names when it writes OpenMetrics.
      for (const name of [metric.name, `${metric.name}_total`]) {
        if (!aggregators.has(name)) aggregators.set(name, aggregator);
      }
    }
  }
  return aggregators;
}
