import { delivery, ownExposition, renderingLimitOf } from '../../options/exposition-options.js';
import { openFollowedPolicy } from '../../options/followed-policy.js';
import { serverKindOf } from '../../options/general-options.js';
import type { GivenOptions } from '../../options/option.js';
import { hasPolicy } from '../../options/policy-options.js';
import { slisPath } from '../../options/upstream-options.js';
import { UsageError } from '../../options/usage-error.js';
import cluster from 'node:cluster';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { workersExposition } from '../../exposition/workers/workers-exposition.js';
import { FilterMetrics } from '../../telemetry/filter-metrics.js';
import { RestClientMetrics } from '../../telemetry/outgoing-metrics.js';
import type { Terminal } from '../command.js';
import { readFlags } from '../doctor/flag-faults.js';
import { startLogger } from '../start.js';
import { PolicyBroadcast } from './policy-broadcast.js';
import { WorkerStartError, Workforce } from './workforce.js';
import { WorkerMetrics } from '../../telemetry/server-metrics.js';
import { shutdown } from '../../options/serving-options.js';

/**
 * Serves with several workers until it is asked to stop; resolves to the exit code. This process serves nothing: it
 * holds the state that all workers share. @throws UsageError naming the flag; then nothing listens.
 */
export async function serveWithWorkers(
  values: GivenOptions,
  count: number,
  { stopRequested }: Pick<Terminal, 'stopRequested'>,
): Promise<number> {
  // As start would, before any worker exists.
  const { findings } = await readFlags(values);
  const fault = findings.find(({ level }) => level === 'error');
  if (fault !== undefined) throw new UsageError(`${fault.subject}: ${fault.message}`);
  const { shutdownDelayDuration, shutdownTimeout } = shutdown.read(values);
  const { logger, release } = startLogger(values);
  const registry = new Registry();
  const telemetry = new FilterMetrics(registry);
  const requests = new RestClientMetrics(registry);
  const metrics = new WorkerMetrics(registry);
  const broadcast = new PolicyBroadcast();
  const through = broadcast.through.bind(broadcast);
  const observers = { registry, telemetry, requests, logger, through };
  const policy = hasPolicy(values) ? await openFollowedPolicy(values, observers) : undefined;
  collectDefaultMetrics({ register: registry });
  // Each worker counts its own renderings: a place may be idle.
  const limit = await renderingLimitOf(values, { refusedScrape: telemetry.refusedScrape });
  const expositions = await expositionsOf(values, registry, metrics);
  cluster.setupPrimary({ serialization: 'advanced' });
  const workforce = new Workforce({ values, policy, broadcast, limit, expositions }, logger, metrics);
  try {
    const stop = stopRequested();
    const listening = await Promise.race([workforce.start(count), stop]);
    release();
    if (listening !== undefined) {
      logger.info({ url: listening.url, mode: serverKindOf(values), workers: count }, 'listening');
      await stop;
    }
    return 0;
  } catch (error) {
    if (!(error instanceof WorkerStartError)) throw error;
    // The worker has already printed the reason.
    if (error.ended.code === 2) return 2;
    release();
    logger.error({}, error.message);
    return 1;
  } finally {
    await workforce.drain(shutdownDelayDuration + shutdownTimeout);
    for (const exposition of expositions.values()) exposition.close();
    await policy?.close();
  }
}

async function expositionsOf(values: GivenOptions, registry: Registry, metrics: WorkerMetrics) {
  const ownExpositionOf = await ownExposition(values, () => undefined);
  const type = 'application/openmetrics-text';
  const openMetrics = ownExpositionOf(registry).contentType({ accept: type }).startsWith(type);
  const registriesOf = new Map([['/metrics', [registry]]]);
  if (delivery.read(values).componentSlis) registriesOf.set(slisPath, []);
  return new Map(
    [...registriesOf].map(([group, registries]) => [
      group,
      workersExposition({
        group,
        registries,
        openMetrics,
        onFailure: (failure) => {
          if (failure.kind === 'worker') metrics.missingReport(failure.cause, failure.served);
        },
      }),
    ]),
  );
}
