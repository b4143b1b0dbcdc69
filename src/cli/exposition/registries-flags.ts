import type { Registry } from 'prom-client';
import type { Exposition } from '../../exposition/exposition.js';
import { registriesExposition, type CollectorFailure } from '../../exposition/registries.js';
import { parseDuration } from '../flag-values.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError } from '../usage-error.js';

const collectorTimeout: Flag = {
  name: '--collector-timeout',
  value: 'duration',
  default: '5s',
  description:
    'how long a scrape waits for a metric of this process that is slow to collect; the others are served',
};

/** How the metrics of this process are served. */
export const registriesFlags: readonly Flag[] = [collectorTimeout];

/** One exposition of some registries. @throws UsageError naming the flag. */
export function registriesOf(
  values: FlagValues,
  registries: readonly Registry[],
  onFailure: (failure: CollectorFailure) => void,
): Exposition {
  const text = valueOf(values, collectorTimeout) ?? '';
  const collectorTimeoutMs = parseDuration(collectorTimeout.name, text);
  // setTimeout takes no more.
  if (collectorTimeoutMs < 1 || collectorTimeoutMs > 2_147_483_647) {
    throw new UsageError(`${collectorTimeout.name}: ${JSON.stringify(text)} is not between 1ms and 596h`);
  }
  return registriesExposition({ registries, collectorTimeoutMs, onFailure });
}
