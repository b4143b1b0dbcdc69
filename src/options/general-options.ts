import type { ServerKind } from '../paths/classify.js';
import { only, topic, type GivenOptions } from './option.js';
import { choice, file } from './option-kinds.js';

const modes: readonly ServerKind[] = ['shard', 'cache-server'];
const logLevels = ['debug', 'info', 'warn', 'error'] as const;

export const general = topic('Configuration', {
  config: file().help(
    'YAML or JSON file with a field for each flag of start; flags on the command line win; read once, not reloaded',
  ),
  mode: choice('mode', modes, 'shard').help(
    `kind of server whose path rules apply: ${modes.join(' or ')}; a cache-server checks no RBAC unless a flag names a policy source`,
  ),
});

/** For every command that takes options of `start`. */
export const configuration = only(general, 'config');

export const logging = topic('Logging', {
  logLevel: choice('level', logLevels, 'info').help(`${logLevels.join(', ')}; debug logs every request`),
});

export function serverKindOf(given: GivenOptions): ServerKind {
  return general.read(given).mode;
}
