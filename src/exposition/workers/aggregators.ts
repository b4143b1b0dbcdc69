/** How the values that workers have for one series become one, as prom-client names it. */
export type Aggregator = 'sum' | 'first' | 'min' | 'max' | 'average';

type Combine = (soFar: number, next: number) => number;

const combiners: Readonly<Record<Aggregator, Combine>> = {
  sum: (soFar, next) => soFar + next,
  first: (soFar) => soFar,
  min: Math.min,
  max: Math.max,
  average: (soFar, next) => soFar + next,
};

/** What takes one more worker's value in; for `average` the sum, which is divided at the end. */
export function combinerOf(aggregator: Aggregator): Combine {
  return combiners[aggregator];
}

export function isAggregator(value: unknown): value is Aggregator {
  return typeof value === 'string' && Object.hasOwn(combiners, value);
}

/**
 * Whether what a worker has counted still counts when it is gone: adding it up, or the largest of all, means the
 * same then; an average or a smallest value is one of those that are there.
 */
export function outlivesWorkers(aggregator: Aggregator): boolean {
  return aggregator === 'sum' || aggregator === 'max';
}
