import type { Registry } from 'prom-client';
import type { Exposition } from '../../exposition/exposition.js';
import type { Logger } from '../../server/logger.js';
import type { FilterMetrics } from '../../telemetry/filter-metrics.js';
import type { Flag, FlagValues } from '../flags.js';
import type { FollowedFlagFiles } from '../followed-flag-files.js';
import type { Opened } from '../opened.js';
import { OutageLog } from '../outage-log.js';
import type { SharedByWorkers } from '../shared-by-workers.js';
import { identityHeaderFlags, tellsWhoScrapes } from './identity-header-flags.js';
import { encodingFlags, encodingOf } from './encoding-flags.js';
import { registriesFlags, registriesOf } from './registries-flags.js';
import { relabelledOf, relabellingFlags } from './relabelling-flags.js';
import {
  maxScrapesInFlightOf,
  scrapeDeadlineOf,
  scrapeWriteTimeoutOf,
  sharingFlags,
  sharingOf,
  type SharingEvents,
} from './sharing-flags.js';
import { slisFlags } from './slis-flags.js';
import { tellsTenant, tenantHeaderFlags } from './tenant-header-flags.js';
import { upstreamEvents } from './upstream-events.js';
import { expositionOf, upstreamFlags } from './upstream-flags.js';

/** What a scrape gets, and how. */
export const expositionFlags: readonly Flag[] = [
  ...upstreamFlags,
  ...identityHeaderFlags,
  ...tenantHeaderFlags,
  ...relabellingFlags,
  ...registriesFlags,
  ...encodingFlags,
  ...sharingFlags,
  ...slisFlags,
];

export interface ExpositionContext {
  /** The metrics of this process. */
  readonly registry: Registry;
  /** Where one is given, served at `/metrics/slis`. */
  readonly slis: Registry | undefined;
  readonly telemetry: FilterMetrics;
  readonly logger: Logger;
  readonly files: FollowedFlagFiles;
  readonly opened: Opened;
  /** Where there are several workers: what is served then is the metrics of all. */
  readonly shared?: SharedByWorkers | undefined;
}

export interface ServedPaths {
  /** What `/metrics` serves. */
  readonly exposition: Exposition;
  /** By the path below `/metrics`; RBAC grants each by its own path. */
  readonly otherExpositions: ReadonlyMap<string, Exposition>;
  readonly scrapeWriteTimeoutMs: number;
  readonly scrapeDeadlineMs: number;
}

/** Reads what is served at which path. @throws UsageError naming the flag. */
export async function openExpositions(values: FlagValues, context: ExpositionContext): Promise<ServedPaths> {
  const { registry, slis, telemetry, logger, files, opened, shared: workers } = context;
  const own = (path: string, served: Registry): Exposition => {
    const exposition = registriesOf(values, [served], (failure) => {
      telemetry.collectorFailure(failure);
    });
    return workers === undefined ? exposition : workers.expositionOf(path, served, exposition);
  };
  const events = upstreamEvents(registry, logger);
  const { exposition, others, close } = await expositionOf(values, own('/metrics', registry), files, events);
  opened.add({ close });
  const relabelled = await relabelledOf(values, exposition, files, relabellingEvents(telemetry, logger));
  const otherSources =
    slis === undefined ? others : new Map([...others, ['/metrics/slis', own('/metrics/slis', slis)]]);
  const places = workers?.places(maxScrapesInFlightOf(values));
  const encoded = encodingOf(values);
  const perUser = tellsWhoScrapes(values) || tellsTenant(values);
  const shared = sharingOf(values, sharingEvents(telemetry), perUser, places);
  const served = (source: Exposition): Exposition => shared(encoded(source));
  return {
    exposition: served(relabelled),
    otherExpositions: new Map([...otherSources].map(([path, source]) => [path, served(source)])),
    scrapeWriteTimeoutMs: scrapeWriteTimeoutOf(values),
    scrapeDeadlineMs: scrapeDeadlineOf(values),
  };
}

function sharingEvents(telemetry: FilterMetrics): SharingEvents {
  return {
    onScrape: (origin) => {
      telemetry.scrapeFrom(origin);
    },
    onRefused: () => {
      telemetry.refusedScrape();
    },
    onChange: (underWay) => {
      telemetry.renderingsInFlight(underWay);
    },
  };
}

function relabellingEvents(
  telemetry: FilterMetrics,
  logger: Logger,
): Required<Parameters<typeof relabelledOf>[3]> {
  const outage = new OutageLog(logger, {
    failure: 'a scrape could not be filtered',
    recovery: 'scrapes are filtered again',
  });
  return {
    onScrape: (result, { dropped }) => {
      telemetry.filteredScrape(result, dropped);
      if (result === 'success') outage.answered();
    },
    onFailure: ({ message }) => {
      outage.failed(message);
    },
  };
}
