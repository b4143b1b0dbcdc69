import { Registry } from 'prom-client';
import type { RenderingLimit, RenderingPlaces } from '../exposition/delivery/rendering-limit.js';
import type { Exposition } from '../exposition/exposition.js';
import type { RegistriesExpositionOptions } from '../exposition/sources/registries-exposition.js';
import type { CollectorFailure } from '../exposition/sources/registries/collectors.js';
import type { Logger } from '../server/server-options.js';
import { presentOnly } from '../present-only.js';
import type { FilterMetrics } from '../telemetry/filter-metrics.js';
import type { Opening } from './starting.js';
import { topic, type GivenOptions } from './option.js';
import { boolean, choice, count, duration } from './option-kinds.js';
import { OutageLog } from './outage-log.js';
import { relabellingOf } from './relabelling-options.js';
import { tellsWhoScrapes } from './upstream-request-options.js';
import { nodeExpositionsOf } from './virtual-cluster-options.js';
import type { VirtualCluster } from '../kubernetes/virtual-cluster.js';
import { openUpstreams, ownMetricsPath, slisPath, upstreamEvents, upstreams } from './upstream-options.js';

export const ownMetrics = topic('What is served', {
  collectorTimeout: duration('5s', { min: '1ms', max: '596h' }).help(
    'how long a scrape waits for each slow collector of this process; the metrics of the others are still served',
  ),
  onMetricConflict: choice('policy', ['fail', 'leave-out'], 'fail').help(
    'what to do if two metrics of this process conflict: fail answers 500, leave-out serves only the first',
  ),
  enableOpenMetrics: boolean(false).help(
    'serve metrics of this process as OpenMetrics to scrapers that ask for it; adds _total to counter names that lack it',
  ),
});

/** Limits of concurrent scrapes, and what is served beside `/metrics`. */
export const delivery = topic('What is served', {
  disableCompression: boolean(false).help(
    'never compress, even for scrapers that accept gzip or zstd; bodies that an upstream compressed are passed on',
  ),
  maxScrapesInFlight: count(3).help(
    'maximum number of expositions rendered at once, of which one user gets all but one; scrapes that share a rendering count as one; more wait up to a second and are then answered 503; 0: no limit',
  ),
  scrapeFreshness: duration('0s', { max: '596h' }).help(
    'how long a finished exposition is cached for identical scrapes; 0s: only concurrent scrapes share one',
  ),
  scrapeWriteTimeout: duration('10s', { min: '1ms', max: '596h' }).help(
    'how long a client may read less than 64 KiB of a response before its connection is closed; 64 KiB/s is always fast enough',
  ),
  scrapeDeadline: duration('5m', { max: '596h' }).help(
    'maximum time to send an exposition before the connection is closed; 0s: no limit',
  ),
  componentSlis: boolean(false).help(
    'serve health check results (kubernetes_healthcheck, kubernetes_healthchecks_total) at /metrics/slis to users who may read that path',
  ),
  enableZPages: boolean(false).help(
    'serve status, flags and paths of this process at /statusz, /flagz and / to users who may read that path; as text, HTML or Kubernetes objects',
  ),
});

/** How long a scrape waits until it may render (ms): renderings of other paths or formats end soon. */
const placeWaitMs = 1000;

/**
 * `virtualCluster`: whose series alone are shown; undefined where those of all are. `workspaces`: how metrics of single
 * workspaces are served; undefined where they are not.
 */
export async function openExpositions(
  given: GivenOptions,
  opening: Opening,
  virtualCluster?: VirtualCluster,
  workspaces?: { readonly label: string; readonly maxAgeMs: number },
) {
  const { registry, registers = [], telemetry, logger, files, shared: workers } = opening;
  const values = delivery.read(given);
  const { upstreamPassQuery: passQuery } = upstreams.read(given);
  const expositionOf = await ownExposition(given, telemetry.collectorFailure.bind(telemetry));
  const own = (path: string, served: Registry, exposition = expositionOf(served)): Exposition =>
    workers?.expositionOf(path, served, exposition) ?? exposition;
  const events = upstreamEvents(registry, logger);
  const process = own('/metrics', registry, expositionOf(...registers, registry));
  const source = await openUpstreams(given, process, opening, events);
  const relabel = await relabellingOf(given, files, relabellingEvents(telemetry, logger), virtualCluster);
  const relabelled = relabel(source.exposition);
  const { encodedExposition } = await import('../exposition/delivery/encoded-exposition.js');
  const places =
    workers?.places(values.maxScrapesInFlight, telemetry.renderingsInFlight.bind(telemetry)) ??
    (await renderingLimitOf(given, telemetry));
  const shared = await sharingOf(given, telemetry, places);
  const compress = !values.disableCompression;
  const served = (exposition: Exposition): Exposition =>
    shared(compress ? encodedExposition(exposition) : exposition);
  const dividedByWorkspace = async () => {
    const { workspaceExpositions } = await import('../exposition/workspaces/workspace-expositions.js');
    const { workspaceRendering: onRendering, refusedScrape } = telemetry;
    const bodyPlaces = await renderingLimitOf(given, { refusedScrape });
    return workspaceExpositions(relabelled, { ...workspaces, compress, places, bodyPlaces, onRendering });
  };
  const filtered = (path: string, other: Exposition): Exposition =>
    virtualCluster === undefined || path === ownMetricsPath ? other : relabel(other);
  const otherExpositions = new Map(
    [...source.others].map(([path, other]) => [path, served(filtered(path, other))]),
  );
  const slis = values.componentSlis ? new Registry() : undefined;
  if (slis !== undefined) otherExpositions.set(slisPath, served(own(slisPath, slis)));
  return {
    exposition: served(relabelled),
    /** By the path below `/metrics`; RBAC grants each by its own path. */
    otherExpositions,
    nodeExposition:
      virtualCluster &&
      (await nodeExpositionsOf(virtualCluster, relabel, served, events.onFailure.bind(undefined, 'nodes'))),
    /** Of health checks, if they are served. */
    slis,
    workspaceExpositions: workspaces && (await dividedByWorkspace()),
    scrapeWriteTimeoutMs: values.scrapeWriteTimeout,
    scrapeDeadlineMs: values.scrapeDeadline,
    // Without any, no query is looked at.
    ...(passQuery.length > 0 && { passQuery }),
    ...presentOnly({ gateway: source.gateway }),
  };
}

/** How metrics of this process are served. */
export async function ownExposition(given: GivenOptions, onFailure: (failure: CollectorFailure) => void) {
  const { collectorTimeout, onMetricConflict, enableOpenMetrics } = ownMetrics.read(given);
  const { registriesExposition } = await import('../exposition/sources/registries-exposition.js');
  const options = {
    collectorTimeoutMs: collectorTimeout,
    onConflict: onMetricConflict,
    openMetrics: enableOpenMetrics,
    onFailure,
  };
  return (...registries: RegistriesExpositionOptions['registries']): Exposition =>
    registriesExposition({ registries, ...options });
}

/** Wraps each served exposition in sharing and one limit for all of them: `places` grants renderings. */
export async function sharingOf(
  given: GivenOptions,
  { scrapeFrom: onScrape }: Pick<FilterMetrics, 'scrapeFrom'>,
  places: RenderingPlaces,
) {
  const { limitedExposition } = await import('../exposition/delivery/rendering-limit.js');
  const { sharedExposition } = await import('../exposition/delivery/shared-exposition.js');
  const freshnessMs = delivery.read(given).scrapeFreshness;
  const sharing = { perUser: tellsWhoScrapes(given), freshnessMs, onScrape };
  return (exposition: Exposition) => sharedExposition(limitedExposition(exposition, places), sharing);
}

/** The bound of the renderings of one process, or of all its workers. @throws UsageError naming the option. */
export async function renderingLimitOf(
  given: GivenOptions,
  metrics: Pick<FilterMetrics, 'refusedScrape'> & Partial<Pick<FilterMetrics, 'renderingsInFlight'>>,
): Promise<RenderingLimit> {
  const { RenderingLimit } = await import('../exposition/delivery/rendering-limit.js');
  return new RenderingLimit({
    max: delivery.read(given).maxScrapesInFlight,
    waitMs: placeWaitMs,
    onRefused: metrics.refusedScrape,
    onChange: (underWay) => metrics.renderingsInFlight?.(underWay),
  });
}

function relabellingEvents(
  telemetry: FilterMetrics,
  logger: Logger,
): Required<Parameters<typeof relabellingOf>[2]> {
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
