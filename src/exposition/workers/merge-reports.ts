import { combinerOf, outlivesWorkers } from './aggregators.js';
import type { Report, ReportedFamily } from './report.js';
import { inLabelOrder, labelOrder } from './samples.js';

/** What one worker adds to a merged report. */
export interface Contribution {
  readonly report: Report;
  /** Of workers that are gone: only what they have counted is left. */
  readonly isRetained: boolean;
}

/** Samples between two steps. */
const stepSamples = 200;

type Step = Generator<undefined, void, undefined>;

/** Merges reports in steps: families in the order in which names appear, and in each of them the series, too. */
export function* mergeReports(
  contributions: readonly Contribution[],
): Generator<undefined, Report, undefined> {
  const byName = new Map<string, FamilyContribution[]>();
  for (const { report, isRetained } of contributions) {
    for (const family of report.values()) {
      const families = byName.get(family.name);
      if (families === undefined) byName.set(family.name, [{ family, isRetained }]);
      else families.push({ family, isRetained });
    }
  }
  const merged = new Map<string, ReportedFamily>();
  for (const [name, families] of byName) {
    yield;
    const [first] = families;
    if (
      first === undefined ||
      !families.some(({ isRetained, family }) => !isRetained || isCumulative(family))
    )
      continue;
    merged.set(name, yield* mergeFamily(first.family, families));
  }
  return merged;
}

interface FamilyContribution {
  readonly family: ReportedFamily;
  readonly isRetained: boolean;
}

/** Help, type and aggregator are those of the first, as in prom-client. */
function* mergeFamily(
  { name, help, type, aggregator }: ReportedFamily,
  families: readonly FamilyContribution[],
): Generator<undefined, ReportedFamily, undefined> {
  const described = { name, help, type, aggregator };
  const asWritten = new MergedSamples(described);
  yield* asWritten.addAll(families, (sample) => sample);
  if (!(yield* asWritten.hasMixedOrders(families.length))) return asWritten.family();
  const ordered = new MergedSamples(described);
  yield* ordered.addAll(families, inLabelOrder);
  return ordered.family();
}

class MergedSamples {
  readonly #description: Omit<ReportedFamily, 'samples' | 'values'>;
  readonly #indices = new Map<string, number>();
  readonly #samples: string[] = [];
  readonly #values: number[] = [];
  readonly #counts: number[] = [];

  constructor(description: Omit<ReportedFamily, 'samples' | 'values'>) {
    this.#description = description;
  }

  *addAll(families: readonly FamilyContribution[], keyOf: (sample: string) => string): Step {
    const combine = combinerOf(this.#description.aggregator);
    for (const { family, isRetained } of families) {
      if (isRetained && !isCumulative(family)) continue;
      const keepsAll = !isRetained || family.type !== 'summary';
      for (const [at, sample] of family.samples.entries()) {
        if (at % stepSamples === 0) yield;
        if (!keepsAll && !isCounted(sample, family.name)) continue;
        const value = family.values[at] ?? NaN;
        const key = keyOf(sample);
        const index = this.#indices.get(key);
        if (index === undefined) {
          this.#indices.set(key, this.#samples.push(sample) - 1);
          this.#values.push(value);
          this.#counts.push(1);
        } else {
          this.#values[index] = combine(this.#values[index] ?? NaN, value);
          this.#counts[index] = (this.#counts[index] ?? 0) + 1;
        }
      }
    }
  }

  /**
   * Whether two samples have the same labels in different orders, as workers may write what they have counted at
   * different places first. Not where every worker has the same ones.
   */
  *hasMixedOrders(workers: number): Generator<undefined, boolean, undefined> {
    const seen = new Set<string>();
    const sorted = new Set<string>();
    for (const [at, sample] of this.#samples.entries()) {
      if (at % stepSamples === 0) yield;
      if (this.#counts[at] === workers) continue;
      const order = labelOrder(sample);
      if (seen.has(order)) continue;
      seen.add(order);
      const namesAt = order.indexOf('{') + 1;
      const anyOrder = order.slice(0, namesAt) + order.slice(namesAt).split(',').sort().join(',');
      if (sorted.has(anyOrder)) return true;
      sorted.add(anyOrder);
    }
    return false;
  }

  family(): ReportedFamily {
    const isAverage = this.#description.aggregator === 'average';
    const values = isAverage
      ? this.#values.map((value, index) => value / (this.#counts[index] ?? 1))
      : this.#values;
    return { ...this.#description, samples: this.#samples, values };
  }
}

/** Whether its values only ever grow, so that they mean something beyond their worker's life. */
function isCumulative({ type, aggregator }: ReportedFamily): boolean {
  return ['counter', 'histogram', 'summary'].includes(type) && outlivesWorkers(aggregator);
}

/** Of a summary: what was counted, and no quantile. */
function isCounted(sample: string, name: string): boolean {
  return sample.startsWith(`${name}_sum`) || sample.startsWith(`${name}_count`);
}
