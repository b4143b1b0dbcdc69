import type { MetricObject } from 'prom-client';
import { collectedInPlace, collectedValues, type CollectedMetric } from './collected-metric.js';
import { memberOf, readableKind } from './prom-client-metrics.js';

/** What came of one metric's collector. */
export type Collection =
  | { readonly kind: 'collected'; readonly metric: CollectedMetric }
  | {
      readonly kind: 'left-out';
      readonly cause: 'collect-failed' | 'collect-timeout';
      readonly error?: unknown;
    };

/** A collector that is waited for. */
interface Run {
  readonly begunAt: number;
  readonly collection: Promise<Collection>;
}

const timedOut: Collection = { kind: 'left-out', cause: 'collect-timeout' };

/**
 * Runs the collectors of metrics. One that is still at work is not started again: whoever comes meanwhile waits for
 * the same run, and for one that hangs nobody waits any more.
 */
export class Collectors {
  readonly #runs = new Map<MetricObject, Run>();

  /**
   * Collects a metric, at once where its collector does. Never rejects.
   *
   * @param timeoutMs how long a collector may take from its start.
   */
  collect(metric: MetricObject, timeoutMs: number): Collection | Promise<Collection> {
    const run = this.#runs.get(metric);
    if (run !== undefined) return inTime(run, timeoutMs);
    const begunAt = performance.now();
    let begun: CollectedMetric | Promise<CollectedMetric>;
    try {
      begun = begin(metric);
    } catch (error) {
      return failed(error);
    }
    if (!(begun instanceof Promise)) return { kind: 'collected', metric: begun };
    const collection = begun
      .then((collected): Collection => ({ kind: 'collected', metric: collected }), failed)
      .finally(() => this.#runs.delete(metric));
    const started: Run = { begunAt, collection };
    this.#runs.set(metric, started);
    return inTime(started, timeoutMs);
  }
}

/** As prom-client does it: a promise of its `collect` is waited for, and whatever else it returns is not looked at. */
function begin(metric: MetricObject): CollectedMetric | Promise<CollectedMetric> {
  const kind = readableKind(metric);
  if (kind === undefined) return gather(metric).then(collectedValues);
  const collect = memberOf(metric, 'collect');
  const collecting: unknown = typeof collect === 'function' ? Reflect.apply(collect, metric, []) : undefined;
  if (!(collecting instanceof Promise)) return collectedInPlace(metric, kind);
  return collecting.then(() => collectedInPlace(metric, kind));
}

/** Asks as prom-client's registry does. */
function gather(metric: MetricObject): Promise<unknown> {
  const getForPromString = memberOf(metric, 'getForPromString');
  const get = typeof getForPromString === 'function' ? getForPromString : memberOf(metric, 'get');
  if (typeof get !== 'function') throw new TypeError('the metric has no get()');
  return Promise.resolve(Reflect.apply(get, metric, []));
}

async function inTime({ begunAt, collection }: Run, timeoutMs: number): Promise<Collection> {
  const leftMs = begunAt + timeoutMs - performance.now();
  if (leftMs <= 0) return timedOut;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<Collection>((resolve) => {
    timer = setTimeout(resolve, leftMs, timedOut);
  });
  try {
    return await Promise.race([collection, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function failed(error: unknown): Collection {
  return { kind: 'left-out', cause: 'collect-failed', error };
}
