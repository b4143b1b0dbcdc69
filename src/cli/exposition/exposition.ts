import type { Registry } from 'prom-client';
import type { Exposition } from '../../exposition/exposition.js';
import type { Logger } from '../../server/logger.js';
import type { FilterMetrics } from '../../telemetry/filter-metrics.js';
import type { Flag, FlagValues } from '../flags.js';
import type { FollowedFlagFiles } from '../followed-flag-files.js';
import type { Opened } from '../opened.js';
import { OutageLog } from '../outage-log.js';
import { registriesFlags, registriesOf } from './registries-flags.js';
import { relabelledOf, relabellingFlags } from './relabelling-flags.js';
import { slisFlags } from './slis-flags.js';
import { expositionOf, upstreamFlags } from './upstream-flags.js';

/** What a scrape gets, and how. */
export const expositionFlags: readonly Flag[] = [
  ...upstreamFlags,
  ...relabellingFlags,
  ...registriesFlags,
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
}

export interface ServedPaths {
  /** What `/metrics` serves. */
  readonly exposition: Exposition;
  /** By the path below `/metrics`; RBAC grants each by its own path. */
  readonly otherExpositions: ReadonlyMap<string, Exposition>;
}

/** Reads what is served at which path. @throws UsageError naming the flag. */
export async function openExpositions(values: FlagValues, context: ExpositionContext): Promise<ServedPaths> {
  const { registry, slis, telemetry, logger, files, opened } = context;
  const own = (registries: readonly Registry[]): Exposition =>
    registriesOf(values, registries, (failure) => {
      telemetry.collectorFailure(failure);
    });
  const outage = new OutageLog(logger, { failure: 'the upstream was not scraped' });
  const { exposition, others, close } = await expositionOf(values, own([registry]), files, (error) => {
    outage.failed(error.message);
  });
  opened.add({ close });
  return {
    exposition: await relabelledOf(values, exposition, files, relabellingEvents(telemetry, logger)),
    otherExpositions: slis === undefined ? others : new Map([...others, ['/metrics/slis', own([slis])]]),
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
