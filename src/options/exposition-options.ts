import type { Registry } from 'prom-client';
import type { RenderingLimit, RenderingPlaces } from '../exposition/delivery/rendering-limit.js';
import type { Exposition } from '../exposition/exposition.js';
import type { CollectorFailure } from '../exposition/sources/registries/collectors.js';
import type { Logger } from '../server/server-options.js';
import type { FilterMetrics } from '../telemetry/filter-metrics.js';
import type { FollowedOptionFiles } from './followed-option-files.js';
import type { Opened } from './starting.js';
import { topic, type GivenOptions } from './option.js';
import { boolean, choice, count, duration } from './option-kinds.js';
import { OutageLog } from './outage-log.js';
import { relabelledOf } from './relabelling-options.js';
import { tellsWhoScrapes } from './upstream-request-options.js';
import { openUpstreams, slisPath, upstreamEvents } from './upstream-options.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import type { KeyPair } from '../server/serving-certificates.js';

/** How the metrics of this process are served. */
export const ownMetrics = topic('What is served', {
  collectorTimeout: duration(
    '5s',
    { min: '1ms', max: '596h' },
    'how long a scrape waits for a metric of this process that is slow to collect; the others are served',
  ),
  onMetricConflict: choice(
    'policy',
    ['fail', 'leave-out'],
    'fail',
    'what a scrape gets where metrics of this process contradict each other: 500, or without the later one; fail or leave-out',
  ),
  enableOpenMetrics: boolean(
    false,
    'serve metrics of this process as OpenMetrics to scrapers that ask for it; a counter whose name does not end in _total has another name there',
  ),
});

/** What concurrent scrapes may cost, and what is served beside `/metrics`. */
export const delivery = topic('What is served', {
  disableCompression: boolean(
    false,
    'serve metrics as they are, to scrapers that ask for gzip or zstd, too; what an upstream has compressed is passed on',
  ),
  maxScrapesInFlight: count(
    3,
    {},
    'expositions that are rendered at once, and all but one of them for the same user; scrapes that share one count as one, any beyond it wait for a second and are answered 503 then; 0: no bound',
  ),
  scrapeFreshness: duration(
    '0s',
    { max: '596h' },
    'for how long a finished exposition is served again to whoever asks for the same; 0s: scrapes share one only while it is rendered',
  ),
  scrapeWriteTimeout: duration(
    '10s',
    { min: '1ms', max: '596h' },
    'how long a client may take less than 64 KiB of an exposition that is being sent before it is cut; 64 KiB a second are always enough',
  ),
  scrapeDeadline: duration(
    '5m',
    { max: '596h' },
    'how long sending an exposition may take in all before its client is cut; 0s: no bound',
  ),
  componentSlis: boolean(
    false,
    'whether /metrics/slis serves the results of the health checks, to whoever may read that path; kubernetes_healthcheck and kubernetes_healthchecks_total',
  ),
  enableZPages: boolean(
    false,
    "whether /statusz, /flagz and / serve this process' status, its flags and its paths, each to whoever may read that path; as text, as HTML for browsers, or as Kubernetes' objects",
  ),
});

/** How long a scrape waits for its place among the renderings: those of other paths or formats are soon over (ms). */
const placeWaitMs = 1000;

export interface ExpositionContext {
  /** The metrics of this process. */
  readonly registry: Registry;
  /** Where one is given, served at `/metrics/slis`. */
  readonly slis: Registry | undefined;
  readonly telemetry: FilterMetrics;
  readonly logger: Logger;
  readonly files: FollowedOptionFiles;
  readonly opened: Opened;
  /** Where there are several workers: what is served then is the metrics of all. */
  readonly shared?: SharedByWorkers | undefined;
}

/** Reads what is served at which path. @throws UsageError naming the option. */
export async function openExpositions(given: GivenOptions, context: ExpositionContext) {
  const { registry, slis, telemetry, logger, files, opened, shared: workers } = context;
  const values = delivery.read(given);
  const expositionOf = await ownExposition(given, telemetry.collectorFailure.bind(telemetry));
  const own = (path: string, served: Registry): Exposition =>
    workers?.expositionOf(path, served, expositionOf(served)) ?? expositionOf(served);
  const events = await upstreamEvents(registry, logger);
  const source = await openUpstreams(given, own('/metrics', registry), files, opened, events);
  const relabelled = await relabelledOf(
    given,
    source.exposition,
    files,
    relabellingEvents(telemetry, logger),
  );
  const { encodedExposition } = await import('../exposition/delivery/encoded-exposition.js');
  const shared = await sharingOf(given, telemetry, workers?.places(values.maxScrapesInFlight));
  const served = (exposition: Exposition): Exposition =>
    shared(values.disableCompression ? exposition : encodedExposition(exposition));
  const otherExpositions = new Map([...source.others].map(([path, other]) => [path, served(other)]));
  if (slis !== undefined) otherExpositions.set(slisPath, served(own(slisPath, slis)));
  return {
    exposition: served(relabelled),
    /** By the path below `/metrics`; RBAC grants each by its own path. */
    otherExpositions,
    scrapeWriteTimeoutMs: values.scrapeWriteTimeout,
    scrapeDeadlineMs: values.scrapeDeadline,
  };
}

/** What makes one exposition of a registry of this process. @throws UsageError naming the option. */
export async function ownExposition(
  given: GivenOptions,
  onFailure: (failure: CollectorFailure) => void,
): Promise<(registry: Registry) => Exposition> {
  const { collectorTimeout, onMetricConflict, enableOpenMetrics } = ownMetrics.read(given);
  const { registriesExposition } = await import('../exposition/sources/registries.js');
  return (registry) =>
    registriesExposition({
      registries: [registry],
      collectorTimeoutMs: collectorTimeout,
      onConflict: onMetricConflict,
      openMetrics: enableOpenMetrics,
      onFailure,
    });
}

type SharingMetrics = Pick<FilterMetrics, 'scrapeFrom' | 'refusedScrape' | 'renderingsInFlight'>;

/**
 * What is done to each exposition that is served: one bound for all of them together. `places`: where they are
 * granted, if not in this process.
 *
 * @throws UsageError naming the option.
 */
export async function sharingOf(
  given: GivenOptions,
  metrics: SharingMetrics,
  places?: RenderingPlaces,
): Promise<(exposition: Exposition) => Exposition> {
  const { limitedExposition } = await import('../exposition/delivery/rendering-limit.js');
  const { sharedExposition } = await import('../exposition/delivery/shared-exposition.js');
  const limit = places ?? (await renderingLimitOf(given, metrics));
  const sharing = {
    perUser: tellsWhoScrapes(given),
    freshnessMs: delivery.read(given).scrapeFreshness,
    onScrape: metrics.scrapeFrom,
  };
  return (exposition) => sharedExposition(limitedExposition(exposition, limit), sharing);
}

/** The bound of the renderings of one process, or of all its workers. @throws UsageError naming the option. */
export async function renderingLimitOf(
  given: GivenOptions,
  metrics: Omit<SharingMetrics, 'scrapeFrom'>,
): Promise<RenderingLimit> {
  const { RenderingLimit } = await import('../exposition/delivery/rendering-limit.js');
  return new RenderingLimit({
    max: delivery.read(given).maxScrapesInFlight,
    waitMs: placeWaitMs,
    onRefused: metrics.refusedScrape,
    onChange: metrics.renderingsInFlight.bind(metrics),
  });
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

/** What one process holds for all workers, as a worker sees it; a server of one process has none. */
export interface SharedByWorkers {
  /** A copy of the policy, in step with the primary's; undefined where it has none. @throws UsageError */
  openPolicy(values: GivenOptions): Promise<OpenPolicy | undefined>;
  /** Reports a registry of this worker under a path; the exposition is of all workers. */
  expositionOf(path: string, registry: Registry, own: Exposition): Exposition;
  /** Where renderings are granted their places. */
  places(max: number): RenderingPlaces;
  /** The port to ask for in the place of the one that a flag names. */
  port(asked: number): number;
  /** Takes the pair that all workers serve, where this one has made one up. */
  selfSigned(pair: KeyPair): KeyPair;
}
