import type { ServerKind } from '../paths/classify.js';
import { fault, only, topic, type GivenOptions } from './option.js';
import { choice, file } from './option-kinds.js';

export const modes: readonly ServerKind[] = ['shard', 'cache-server'];
const logLevels = ['debug', 'info', 'warn', 'error'] as const;

export const general = topic('Configuration', {
  config: file(
    {},
    'YAML or JSON file with a field for each flag of start; flags on the command line win; read once, not reloaded',
  ),
  mode: choice(
    'mode',
    modes,
    undefined,
    `kind of server kind of server whose path rules apply: ${modes.join(' or ')}; required`,
  ),
});

/** For every command that takes options of `start`. */
export const configuration = only(general, 'config');

export const logging = topic('Logging', {
  logLevel: choice('level', logLevels, 'info', `${logLevels.join(', ')}; debug logs every request`),
});

/** @throws UsageError naming the option. */
export function serverKindOf(given: GivenOptions): ServerKind {
  const { mode } = general.read(given);
  if (mode === undefined) throw fault(general.options.mode, `required: ${modes.join(' or ')}`);
  return mode;
}
