import type { Registry } from 'prom-client';
import type { OpenPolicy, OpenPolicyOptions } from '../../policy/open-policy.js';
import type { SnapshotResult } from '../../policy/snapshot/snapshot-restore.js';
import type { Logger } from '../../server/logger.js';
import type { FilterMetrics } from '../../telemetry/filter-metrics.js';
import { registerPolicyMetrics, PolicySourceMetrics } from '../../telemetry/policy-metrics.js';
import type { RestClientMetrics } from '../../telemetry/outgoing-metrics.js';
import type { FlagValues } from '../flags.js';
import { openPolicyOf } from './policy-flags.js';

export interface PolicyObservers {
  readonly registry: Registry;
  readonly telemetry: FilterMetrics;
  /** Shared with whatever else asks API servers. */
  readonly requests: RestClientMetrics;
  readonly logger: Logger;
  /** As `openPolicy` takes it. */
  readonly through?: OpenPolicyOptions['through'];
}

/** The policy that the flags describe, with all that happens to it logged and counted. @throws UsageError */
export async function openFollowedPolicy(
  values: FlagValues,
  { registry, telemetry, requests, logger, through }: PolicyObservers,
): Promise<OpenPolicy> {
  const metrics = new PolicySourceMetrics(registry, requests);
  const open = await openPolicyOf(values, {
    onWarning: (message) => {
      logger.warn({}, message);
    },
    onReload: (source, result) => {
      telemetry.policyReload(source, result.result);
      if (result.result === 'failure') logger.error({ source }, result.message);
      else logger.info({ source }, 'policy reloaded');
    },
    observerOf: (source) => ({
      ...metrics.observerOf(source),
      lost: (reason) => {
        logger.warn({ source }, `out of step with the policy's source: ${reason}`);
      },
      synced: () => {
        logger.info({ source }, "in step with the policy's source");
      },
    }),
    onSnapshot: (result) => {
      metrics.snapshot(result);
      logSnapshot(logger, result);
    },
    ...(through === undefined ? {} : { through }),
  });
  registerPolicyMetrics(registry, () => open.policy.status());
  return open;
}

function logSnapshot(logger: Logger, { operation, result, message }: SnapshotResult): void {
  const text = message ?? 'policy snapshot';
  // Whoever is served from a snapshot should know that from the log alone.
  if (result === 'success' && operation === 'write') logger.debug({ operation, result }, text);
  else if (result === 'missing') logger.info({ operation, result }, text);
  else logger.warn({ operation, result }, text);
}
