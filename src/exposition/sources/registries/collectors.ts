import type { MetricObject } from 'prom-client';
import type { TimeSlice } from '../../../time-slice.js';
import { inTime } from '../../../timer.js';
import {
  defaultLabelsOf,
  isObject,
  memberOf,
  type AnyRegistry,
  type GatheredValue,
  type Labels,
} from './prom-client-metrics.js';
import { gatheredSeries, seriesReader, type Series, type SeriesContext } from './series.js';

/** A metric that was left out, in whole or in part. */
export interface CollectorFailure {
  readonly metric: string;
  readonly cause: 'collect-failed' | 'collect-timeout' | 'duplicate-name' | 'duplicate-series';
  readonly error?: unknown;
}

/** A metric whose collector is done, ready to be read. */
interface CollectedMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  /** Lists the series; takes time proportional to their number, so it is called while writing. */
  readonly open: (context: SeriesContext) => Series;
}

/** A collected metric and what its registry adds to it. */
export interface FamilyMember extends CollectedMetric {
  readonly defaultLabels: Labels;
}

export interface CollectingOptions {
  readonly slice: TimeSlice;
  /** How long a collector may take from its start (ms). */
  readonly timeoutMs: number;
  readonly onFailure: (failure: CollectorFailure) => void;
}

type Collection = CollectedMetric | Omit<CollectorFailure, 'metric'>;

/** A collector that is waited for. */
interface Run {
  readonly begunAt: number;
  readonly collection: Promise<Collection>;
}

/**
 * Runs the collectors of metrics. One that is still at work is not started again: scrapes that come meanwhile wait for
 * the same run, and none waits for one that hangs.
 */
export class Collectors {
  readonly #runs = new Map<MetricObject, Run>();

  /**
   * Starts the collectors of all registries, in their order and all before the first is waited for. Those that fail or
   * take too long are left out. Never rejects.
   */
  async collect(
    registries: readonly AnyRegistry[],
    { slice, timeoutMs, onFailure }: CollectingOptions,
  ): Promise<readonly FamilyMember[]> {
    const started = [];
    for (const registry of registries) {
      for (const metric of registry.getMetricsAsArray()) {
        started.push({ registry, metric, collection: this.#start(metric, timeoutMs) });
        if (slice.isOver) await slice.rest();
      }
    }
    const members: FamilyMember[] = [];
    for (const { registry, metric, collection } of started) {
      const collected = collection instanceof Promise ? await collection : collection;
      if ('cause' in collected) onFailure({ metric: metric.name, ...collected });
      else {
        const name = nameIn(registry, metric, collected);
        members.push({ ...collected, name, defaultLabels: defaultLabelsOf(registry) ?? {} });
      }
      if (slice.isOver) await slice.rest();
    }
    return members;
  }

  /** At once if the metric's collector is done. */
  #start(metric: MetricObject, timeoutMs: number): Collection | Promise<Collection> {
    let run = this.#runs.get(metric);
    if (run === undefined) {
      const begunAt = performance.now();
      let begun: CollectedMetric | Promise<CollectedMetric>;
      try {
        begun = begin(metric);
      } catch (error) {
        return failed(error);
      }
      if (!(begun instanceof Promise)) return begun;
      run = { begunAt, collection: begun.catch(failed).finally(() => this.#runs.delete(metric)) };
      this.#runs.set(metric, run);
    }
    return ended(run, timeoutMs);
  }
}

async function ended({ begunAt, collection }: Run, timeoutMs: number): Promise<Collection> {
  const leftMs = begunAt + timeoutMs - performance.now();
  const collected = leftMs <= 0 ? 'timeout' : await inTime(collection, leftMs);
  return collected === 'timeout' ? { cause: 'collect-timeout' } : collected;
}

const failed = (error: unknown): Collection => ({ cause: 'collect-failed', error });

/** As in prom-client: a promise of `collect` is awaited, any other return value ignored. */
function begin(metric: MetricObject): CollectedMetric | Promise<CollectedMetric> {
  if (seriesReader(metric) === undefined) return gathered(metric);
  const collect = memberOf(metric, 'collect');
  const collecting: unknown = typeof collect === 'function' ? Reflect.apply(collect, metric, []) : undefined;
  return collecting instanceof Promise ? collecting.then(() => readInPlace(metric)) : readInPlace(metric);
}

/** A metric that is read in place; series removed by a later reset are still read. @throws TypeError */
function readInPlace(metric: MetricObject): CollectedMetric {
  const open = seriesReader(metric);
  if (open === undefined) throw new TypeError('the metric lost its series while it was collected');
  return { ...descriptionOf(metric), open };
}

/** Any other metric, read as prom-client's registry does. @throws TypeError if it returns no metric */
async function gathered(metric: MetricObject): Promise<CollectedMetric> {
  const getForPromString = memberOf(metric, 'getForPromString');
  const get = typeof getForPromString === 'function' ? getForPromString : memberOf(metric, 'get');
  if (typeof get !== 'function') throw new TypeError('the metric has no get()');
  const given: unknown = await Reflect.apply(get, metric, []);
  if (!isObject(given)) throw new TypeError('get() of the metric gave no object');
  const description = descriptionOf(given);
  const values = memberOf(given, 'values') ?? [];
  if (!Array.isArray(values) || !values.every(isObject)) {
    throw new TypeError('get() of the metric gave no array of values');
  }
  const series = values as readonly GatheredValue[];
  return { ...description, open: (context) => gatheredSeries(series, description.type, context) };
}

function descriptionOf(metric: object): Omit<CollectedMetric, 'open'> {
  const [name, help, type] = ['name', 'help', 'type'].map((member) => memberOf(metric, member));
  if (typeof name !== 'string' || typeof help !== 'string' || typeof type !== 'string') {
    throw new TypeError('the metric has no name, help or type');
  }
  return { name, help, type };
}

/**
 * The name that a metric was given. Once prom-client has written OpenMetrics, its counters have lost their suffix, and
 * would have other series in the text format from then on.
 */
function nameIn(registry: AnyRegistry, metric: MetricObject, { name, type }: CollectedMetric): string {
  if (type !== 'counter' || name.endsWith('_total')) return name;
  const registered: object | undefined = registry.getSingleMetric(`${name}_total`);
  return registered === metric ? `${name}_total` : name;
}
