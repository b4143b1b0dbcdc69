type Combine = (soFar: number, next: number) => number;

/**
 * How the values that workers have for one series become one, as prom-client names it: what takes one more worker's
 * value in. For `average` that is the sum, which is divided at the end.
 */
export const combiners = {
  sum: (soFar, next) => soFar + next,
  first: (soFar) => soFar,
  min: Math.min,
  max: Math.max,
  average: (soFar, next) => soFar + next,
} satisfies Readonly<Record<string, Combine>>;

type Aggregator = keyof typeof combiners;

export function isAggregator(value: unknown): value is Aggregator {
  return typeof value === 'string' && Object.hasOwn(combiners, value);
}

/** One metric of one worker, or a part of it. */
export interface ReportedFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: Aggregator;
  /** What stands before each value: name and labels as in the text format. */
  readonly samples: readonly string[];
  /** As long as `samples`. */
  readonly values: readonly number[];
}

/** All metrics of one worker as of one scrape, by name. */
export type Report = ReadonlyMap<string, ReportedFamily>;

/** Puts the parts of a report together. */
export class ReportBuilder {
  /** Samples so far. */
  size = 0;
  readonly #families = new Map<string, ReportedFamily & { samples: string[]; values: number[] }>();

  /** All that was added. */
  get report(): Report {
    return this.#families;
  }

  add({ samples, values, ...description }: ReportedFamily): void {
    let family = this.#families.get(description.name);
    if (family === undefined) {
      family = { ...description, samples: [], values: [] };
      this.#families.set(description.name, family);
    }
    for (const sample of samples) family.samples.push(sample);
    for (const value of values) family.values.push(value);
    this.size += samples.length;
  }
}
