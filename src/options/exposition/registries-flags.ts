import type { Registry } from 'prom-client';
import type { Exposition } from '../../exposition/exposition.js';
import type { CollectorFailure } from '../../exposition/sources/registries/collectors.js';
import { registriesExposition, type MetricConflictPolicy } from '../../exposition/sources/registries.js';
import { parseBoolean, parseChoice, parseDuration } from '../flag-values.js';
import { booleanOf, valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError } from '../usage-error.js';
import { largestTimerDelayMs } from '../../timer.js';

const collectorTimeout: Flag = {
  name: '--collector-timeout',
  value: 'duration',
  default: '5s',
  description:
    'how long a scrape waits for a metric of this process that is slow to collect; the others are served',
};
const conflictPolicies: readonly MetricConflictPolicy[] = ['fail', 'leave-out'];
const onMetricConflict: Flag = {
  name: '--on-metric-conflict',
  value: 'policy',
  choices: conflictPolicies,
  default: 'fail',
  description:
    'what a scrape gets where metrics of this process contradict each other: 500, or without the later one; fail or leave-out',
};
const enableOpenMetrics: Flag = {
  name: '--enable-open-metrics',
  default: 'false',
  description:
    'serve metrics of this process as OpenMetrics to scrapers that ask for it; a counter whose name does not end in _total has another name there',
};

/** How the metrics of this process are served. */
export const registriesFlags: readonly Flag[] = [collectorTimeout, onMetricConflict, enableOpenMetrics];

/** One exposition of some registries. @throws UsageError naming the flag. */
export function registriesOf(
  values: FlagValues,
  registries: readonly Registry[],
  onFailure: (failure: CollectorFailure) => void,
): Exposition {
  const text = valueOf(values, collectorTimeout) ?? '';
  const collectorTimeoutMs = parseDuration(collectorTimeout.name, text);
  // setTimeout takes no more.
  if (collectorTimeoutMs < 1 || collectorTimeoutMs > largestTimerDelayMs) {
    throw new UsageError(`${collectorTimeout.name}: ${JSON.stringify(text)} is not between 1ms and 596h`);
  }
  const policy = valueOf(values, onMetricConflict) ?? '';
  const onConflict = parseChoice(onMetricConflict.name, policy, conflictPolicies);
  const openMetrics = parseBoolean(enableOpenMetrics.name, booleanOf(values, enableOpenMetrics));
  return registriesExposition({ registries, collectorTimeoutMs, onConflict, openMetrics, onFailure });
}
