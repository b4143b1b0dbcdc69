import cluster from 'node:cluster';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Exposition } from '../../exposition/exposition.js';
import { RenderingLimit } from '../../exposition/delivery/rendering-limit.js';
import { workersExposition, type WorkersExposition } from '../../exposition/workers/workers-exposition.js';
import { FilterMetrics } from '../../telemetry/filter-metrics.js';
import { RestClientMetrics } from '../../telemetry/outgoing-metrics.js';
import type { Terminal } from '../command.js';
import { readFlags } from '../doctor/flag-faults.js';
import { registriesOf } from '../../options/exposition/registries-flags.js';
import { maxScrapesInFlightOf, placeWaitMs } from '../../options/exposition/sharing-flags.js';
import { servesSlis } from '../../options/exposition/slis-flags.js';
import type { FlagValues } from '../../options/flags.js';
import { openFollowedPolicy } from '../../options/policy/followed-policy.js';
import { namesPolicySource } from '../../options/policy/policy-source-flags.js';
import { shutdownOf } from '../../options/serving/shutdown-flags.js';
import { serverKindOf } from '../../options/start-topics.js';
import { startLogger } from '../start.js';
import { UsageError } from '../../options/usage-error.js';
import { PolicyBroadcast } from './policy-broadcast.js';
import { WorkerStartError, Workforce } from './workforce.js';
import { WorkerMetrics } from '../../telemetry/server-metrics.js';

/**
 * Serves with several workers until it is asked to stop; resolves to the exit code. This process serves nothing: it
 * holds what there is once, however many workers there are.
 *
 * @throws UsageError naming the flag; then nothing listens.
 */
export async function serveWithWorkers(
  values: FlagValues,
  count: number,
  { stopRequested }: Pick<Terminal, 'stopRequested'>,
): Promise<number> {
  await checkFlags(values);
  const serverKind = serverKindOf(values);
  const { shutdownDelayMs, shutdownTimeoutMs } = shutdownOf(values);
  const logger = startLogger(values);
  const registry = new Registry();
  const telemetry = new FilterMetrics(registry);
  const requests = new RestClientMetrics(registry);
  const metrics = new WorkerMetrics(registry);
  const broadcast = new PolicyBroadcast();
  const hasPolicy = serverKind === 'shard' || namesPolicySource(values);
  const policy = hasPolicy
    ? await openFollowedPolicy(values, {
        registry,
        telemetry,
        requests,
        logger,
        through: (layer, sink) => broadcast.through(layer, sink),
      })
    : undefined;
  collectDefaultMetrics({ register: registry });
  const limit = new RenderingLimit({
    max: maxScrapesInFlightOf(values),
    waitMs: placeWaitMs,
    onRefused: () => {
      telemetry.refusedScrape();
    },
    onChange: (underWay) => {
      telemetry.renderingsInFlight(underWay);
    },
  });
  const expositions = expositionsOf(values, registry, metrics);
  cluster.setupPrimary({ serialization: 'advanced' });
  const workforce = new Workforce({ values, policy, broadcast, limit, expositions }, logger, metrics);
  try {
    const stop = stopRequested();
    const listening = await Promise.race([workforce.start(count), stop]);
    logger.release();
    if (listening !== undefined) {
      logger.info({ url: listening.url, mode: serverKind, workers: count }, 'listening');
      await stop;
    }
    return 0;
  } catch (error) {
    if (!(error instanceof WorkerStartError)) throw error;
    // The worker has said why, in one line.
    if (error.ended.code === 2) return 2;
    logger.release();
    logger.error({}, error.message);
    return 1;
  } finally {
    await workforce.drain(shutdownDelayMs + shutdownTimeoutMs);
    for (const exposition of expositions.values()) exposition.close();
    await policy?.close();
  }
}

/** As a start reads them, before there is any other process. */
async function checkFlags(values: FlagValues): Promise<void> {
  const { findings } = await readFlags(values);
  const fault = findings.find(({ level }) => level === 'error');
  if (fault !== undefined) throw new UsageError(`${fault.subject}: ${fault.message}`);
}

function expositionsOf(
  values: FlagValues,
  registry: Registry,
  metrics: WorkerMetrics,
): ReadonlyMap<string, WorkersExposition> {
  const openMetrics = offersOpenMetrics(registriesOf(values, [registry], () => undefined));
  const exposition = (group: string, registries: readonly Registry[]): WorkersExposition =>
    workersExposition({
      group,
      registries,
      openMetrics,
      onFailure: (failure) => {
        if (failure.kind === 'worker') metrics.missingReport(failure);
      },
    });
  return new Map([
    ['/metrics', exposition('/metrics', [registry])],
    ...(servesSlis(values) ? ([['/metrics/slis', exposition('/metrics/slis', [])]] as const) : []),
  ]);
}

function offersOpenMetrics(exposition: Exposition): boolean {
  const type = 'application/openmetrics-text';
  return exposition.contentType({ accept: type }).startsWith(type);
}
