import type { Flag, FlagValues } from '../flags.js';
import { boundedDurationOf } from './bounded-values.js';

const shutdownDelayDuration: Flag = {
  name: '--shutdown-delay-duration',
  value: 'duration',
  default: '0s',
  description:
    'how long everything is served on after SIGTERM, while /readyz fails, so that others learn to stay away',
};
const shutdownTimeout: Flag = {
  name: '--shutdown-timeout',
  value: 'duration',
  default: '30s',
  description: 'how long requests under way may take after that before they are cut',
};

/** How the server ends. */
export const shutdownFlags: readonly Flag[] = [shutdownDelayDuration, shutdownTimeout];

/** In ms. */
export interface ShutdownConfiguration {
  readonly shutdownDelayMs: number;
  readonly shutdownTimeoutMs: number;
}

const bounds = { least: '0s', most: '24h' };

/** @throws UsageError naming the flag. */
export function shutdownOf(values: FlagValues): ShutdownConfiguration {
  return {
    shutdownDelayMs: boundedDurationOf(values, shutdownDelayDuration, bounds),
    shutdownTimeoutMs: boundedDurationOf(values, shutdownTimeout, bounds),
  };
}
