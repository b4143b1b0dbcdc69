import { Registry, type RegistryContentType } from 'prom-client';
import { TimeSlice } from '../../time-slice.js';
import type { Exposition, ScrapeRequest } from '../exposition.js';
import { negotiateFormat, type NegotiatedFormat } from '../delivery/negotiation.js';
import { collectRegistries } from './registries/collect-registries.js';
import { Collectors } from './registries/collectors.js';
import { joinNegotiated, type Family } from './registries/families.js';
import { defaultLabelsOf } from './registries/registry-metrics.js';
import { hasDuplicates } from './registries/series-claims.js';
import { wholeOrStreamed } from '../body.js';
import { writeFamilies } from './registries/write-families.js';
import { tell } from '../../tell.js';
import { largestTimerDelayMs } from '../../timer.js';
import { MetricConflictError, RegistriesError } from '../exposition-errors.js';

export { MetricConflictError, RegistriesError };

/** One metric that could not be served, or not with all of its series; the others are. */
export interface CollectorFailure {
  readonly metric: string;
  readonly cause: 'collect-failed' | 'collect-timeout' | 'duplicate-name' | 'duplicate-series';
  readonly error?: unknown;
}

export type MetricConflictPolicy = 'fail' | 'leave-out';

export interface RegistriesExpositionOptions {
  /** Passed in, never reached for: prom-client's global `register` is served only when it stands here. */
  readonly registries: readonly Registry<RegistryContentType>[];
  /**
   * Whether scrapers that ask for OpenMetrics get it: a counter whose name does not end in `_total` has other series
   * there than in the text format. Default: where a registry is set to OpenMetrics.
   */
  readonly openMetrics?: boolean;
  /**
   * What follows where a name stands for another help or type, or for another metric's samples, or a series stands
   * twice: `fail` (default) serves nothing, as Kubernetes does, `leave-out` the first of them.
   */
  readonly onConflict?: MetricConflictPolicy;
  /** How long a metric's `collect` may take (ms) before the scrape goes on without it. Default 5,000. */
  readonly collectorTimeoutMs?: number;
  /** Called for each metric that had to be left out, or some of whose series had to be. */
  readonly onFailure?: (failure: CollectorFailure) => void;
}

/** Work in one go (ms). */
const sliceMs = 4;
/** What is left of a scraper's timeout for writing and sending (ms), as Prometheus' own exporters leave it. */
const sendingMs = 500;
/**
 * The metrics of several prom-client registries as one exposition, as prom-client writes it, in the format that
 * the scraper asks for, whatever the registries are set to: in the text format where metrics contradict each other in
 * OpenMetrics alone. It is written in chunks as the scraper takes them and in time slices: a series is of one moment,
 * all of them together are not.
 *
 * Metrics of one name, help and type are joined. A collector that fails or hangs is left out and reported.
 * Where metrics contradict each other, `render` rejects with a MetricConflictError, unless `onConflict` says otherwise.
 *
 * @throws RegistriesError when there is no registry, or an option is wrong.
 */
export function registriesExposition(options: RegistriesExpositionOptions): Exposition {
  check(options);
  const { registries, onConflict = 'fail', collectorTimeoutMs = 5000, onFailure } = options;
  const collectors = new Collectors();
  const negotiate = ({ accept }: ScrapeRequest): NegotiatedFormat =>
    negotiateFormat(accept, options.openMetrics ?? registries.some(isOpenMetrics));
  const report = (failure: CollectorFailure): void => {
    tell('registriesExposition', onFailure, failure);
  };
  const onContradiction = (metric: string, cause: MetricConflictError['conflict'], other?: string): void => {
    report({ metric, cause });
    if (onConflict === 'fail') throw new MetricConflictError(metric, cause, other);
  };
  return {
    contentType: (request) => negotiate(request).contentType,
    async render(request) {
      const slice = new TimeSlice(sliceMs);
      slice.begin();
      const members = await collectRegistries(registries, {
        collectors,
        slice,
        timeoutMs: Math.min(collectorTimeoutMs, collectingMs(request)),
        onLeftOut: (metric, { cause, error }) => {
          report({ metric, cause, error });
        },
      });
      const { contentType, joined } = await joinNegotiated(members, negotiate(request), slice);
      for (const { metric, other } of joined.conflicts) onContradiction(metric, 'duplicate-name', other);
      const { format, all: families } = joined;
      const onDuplicate = (metric: string): void => {
        onContradiction(metric, 'duplicate-series');
      };
      // While nothing is sent yet: a failure later breaks the scraper's transfer off.
      if (onConflict === 'fail') await findDuplicates(families, format, slice, onDuplicate);
      const onUnwritable = (metric: string, error: unknown): void => {
        report({ metric, cause: 'collect-failed', error });
      };
      const chunks = writeFamilies(families, format, slice, { onDuplicate, onFailure: onUnwritable });
      return wholeOrStreamed(contentType, chunks);
    },
  };
}

async function findDuplicates(
  families: readonly Family[],
  format: NegotiatedFormat['format'],
  slice: TimeSlice,
  onDuplicate: (metric: string) => void,
): Promise<void> {
  for (const family of families) {
    if (family.members.length === 1) continue;
    const steps = hasDuplicates(family, format);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) if (slice.isOver) await slice.rest();
    if (step.value) onDuplicate(family.name);
  }
}

/** How long collectors may take, where the scraper does not wait forever. */
function collectingMs({ timeoutSeconds = Infinity }: ScrapeRequest): number {
  const timeoutMs = timeoutSeconds * 1000;
  return Math.max(timeoutMs - sendingMs, timeoutMs / 2);
}

function isOpenMetrics(registry: Registry<RegistryContentType>): boolean {
  return registry.contentType === Registry.OPENMETRICS_CONTENT_TYPE;
}

function check({ registries, onConflict, collectorTimeoutMs: timeoutMs }: RegistriesExpositionOptions): void {
  if (registries.length === 0)
    throw new RegistriesError('registries: pass at least one prom-client Registry');
  if (!registries.every((registry) => defaultLabelsOf(registry) !== undefined)) {
    throw new RegistriesError('registries: pass registries of prom-client 15');
  }
  if (onConflict !== undefined && !['fail', 'leave-out'].includes(onConflict)) {
    throw new RegistriesError("onConflict: pass 'fail' or 'leave-out'");
  }
  if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= largestTimerDelayMs)) {
    throw new RegistriesError('collectorTimeoutMs: pass a positive number of milliseconds');
  }
}
