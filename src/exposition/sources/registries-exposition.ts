import { Registry } from 'prom-client';
import { tell } from '../../tell.js';
import { TimeSlice } from '../../time-slice.js';
import { largestTimerDelayMs } from '../../timer.js';
import { negotiateFormat, type NegotiatedFormat } from '../delivery/negotiation.js';
import { RegistriesError, requireOptions } from '../exposition-errors.js';
import { workingMs, type Exposition, type ScrapeRequest } from '../exposition.js';
import { Collectors, type CollectorFailure } from './registries/collectors.js';
import { areRegistries, type AnyRegistry } from './registries/prom-client-metrics.js';
import { renderFamilies } from './registries/write-families.js';
import { aList, aText, checkOptions, optional } from '../../option-checks.js';

type MetricConflictPolicy = 'fail' | 'leave-out';

export interface RegistriesExpositionOptions {
  /** prom-client's global `register` is served only if it is listed here. */
  readonly registries: readonly AnyRegistry[];
  /**
   * Whether scrapers that ask for OpenMetrics get it: a counter whose name does not end in `_total` has other series
   * there than in the text format. Default: where a registry is set to OpenMetrics.
   */
  readonly openMetrics?: boolean;
  /**
   * What to do if a name has two helps or types or is also another metric's sample, or if a series is repeated: `fail`
   * (default) serves nothing, as in Kubernetes; `leave-out` serves the first.
   */
  readonly onConflict?: MetricConflictPolicy;
  /** How long a metric's `collect` may take (ms) before the scrape goes on without it. Default 5,000. */
  readonly collectorTimeoutMs?: number;
  /** Called for each metric that was left out, in whole or in part. */
  readonly onFailure?: (failure: CollectorFailure) => void;
}

/**
 * The metrics of several prom-client registries as one exposition, as prom-client writes it, in the format that
 * the scraper asks for, whatever the registries are set to; in the text format if metrics contradict each other in
 * OpenMetrics only. It is written in chunks as the scraper reads them and in time slices: each series is consistent, all
 * of them together are not.
 *
 * Metrics of one name, help and type are joined. A collector that fails or hangs is left out and reported.
 * If metrics contradict each other, `render` rejects with a MetricConflictError, unless `onConflict` says otherwise.
 *
 * @throws RegistriesError when there is no registry, or an option is wrong.
 */
export function registriesExposition(options: RegistriesExpositionOptions): Exposition {
  checkOptions(options, { registries: aList('registries of prom-client'), onConflict: optional(aText) });
  const { registries, onConflict = 'fail', collectorTimeoutMs = 5000 } = options;
  requireOptions(RegistriesError, {
    'registries: pass at least one prom-client Registry': registries.length > 0,
    'registries: pass registries of prom-client 15': areRegistries(registries),
    "onConflict: pass 'fail' or 'leave-out'": ['fail', 'leave-out'].includes(onConflict),
    'collectorTimeoutMs: pass a positive number of milliseconds':
      collectorTimeoutMs > 0 && collectorTimeoutMs <= largestTimerDelayMs,
  });
  const collectors = new Collectors();
  const negotiate = ({ accept }: ScrapeRequest): NegotiatedFormat =>
    negotiateFormat(accept, options.openMetrics ?? registries.some(isOpenMetrics));
  const onFailure = (failure: CollectorFailure): void => {
    tell('registriesExposition', options.onFailure, failure);
  };
  return {
    contentType: (request) => negotiate(request).contentType,
    async render(request) {
      const slice = new TimeSlice().begin();
      const timeoutMs = Math.min(collectorTimeoutMs, workingMs(request));
      const members = await collectors.collect(registries, { slice, timeoutMs, onFailure });
      const isStrict = onConflict === 'fail';
      return renderFamilies(members, { negotiated: negotiate(request), slice, isStrict, onFailure });
    },
  };
}

function isOpenMetrics({ contentType }: AnyRegistry): boolean {
  return contentType === Registry.OPENMETRICS_CONTENT_TYPE;
}
