import { runInSlices } from '../../time-slice.js';
import { combiners, type Report, type ReportedFamily } from './report.js';
import { inLabelOrder, labelOrder } from './samples.js';

/** What one worker adds to a merged family. */
interface Contribution {
  readonly family: ReportedFamily;
  readonly isRetained: boolean;
}

/** Samples between two steps. */
const stepSamples = 200;

type Steps<Result> = Generator<undefined, Result, undefined>;

/**
 * Merges reports in steps: families in the order in which names appear, and in each of them the series, too.
 *
 * @param retained of workers that are gone: only counts are left.
 */
export function* mergeReports(living: readonly Report[], retained: readonly Report[]): Steps<Report> {
  const byName = new Map<string, Contribution[]>();
  for (const [at, report] of [...living, ...retained].entries()) {
    const isRetained = at >= living.length;
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
    if (first !== undefined && families.some(counts)) {
      merged.set(name, yield* mergeFamily(first.family, families));
    }
  }
  return merged;
}

/** Help, type and aggregator are those of the first, as in prom-client. */
function* mergeFamily(first: ReportedFamily, families: readonly Contribution[]): Steps<ReportedFamily> {
  const asWritten = new MergedSamples(first);
  yield* asWritten.addAll(families, (sample) => sample);
  if (!(yield* asWritten.hasMixedOrders(families.length))) return asWritten.family();
  const ordered = new MergedSamples(first);
  yield* ordered.addAll(families, inLabelOrder);
  return ordered.family();
}

class MergedSamples {
  readonly #indices = new Map<string, number>();
  readonly #samples: string[] = [];
  readonly #values: number[] = [];
  readonly #counts: number[] = [];

  constructor(private readonly first: ReportedFamily) {}

  *addAll(families: readonly Contribution[], keyOf: (sample: string) => string): Steps<void> {
    const combine = combiners[this.first.aggregator];
    for (const { family, isRetained } of families) {
      if (!counts({ family, isRetained })) continue;
      const keepsAll = !isRetained || family.type !== 'summary';
      for (const [at, sample] of family.samples.entries()) {
        if (at % stepSamples === 0) yield;
        if (!keepsAll && !isSumOrCount(sample, family.name)) continue;
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
  *hasMixedOrders(workers: number): Steps<boolean> {
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
    const values =
      this.first.aggregator === 'average'
        ? this.#values.map((value, index) => value / (this.#counts[index] ?? 1))
        : this.#values;
    return { ...this.first, samples: this.#samples, values };
  }
}

/**
 * Whether a family still counts after its worker is gone: its values only grow, so their sum or maximum keeps its
 * meaning. An average or a minimum is one of the present workers.
 */
function counts({ family: { type, aggregator }, isRetained }: Contribution): boolean {
  if (!isRetained) return true;
  return ['counter', 'histogram', 'summary'].includes(type) && ['sum', 'max'].includes(aggregator);
}

/** Of a summary: what was counted, and no quantile. */
function isSumOrCount(sample: string, name: string): boolean {
  return sample.startsWith(`${name}_sum`) || sample.startsWith(`${name}_count`);
}

/** What workers that are gone have counted, added up to one report however many there were. */
export class RetainedReports {
  #sum: Report = new Map();
  #waiting: readonly Report[] = [];
  #folding: Promise<void> = Promise.resolve();

  /** Every worker that is gone is counted in these exactly once. */
  get reports(): readonly Report[] {
    return [this.#sum, ...this.#waiting];
  }

  add(report: Report): void {
    this.#waiting = [...this.#waiting, report];
    this.#folding = this.#folding.then(() => this.#fold(report));
  }

  async #fold(report: Report): Promise<void> {
    this.#sum = await runInSlices(mergeReports([], [this.#sum, report]));
    this.#waiting = this.#waiting.filter((waiting) => waiting !== report);
  }
}
