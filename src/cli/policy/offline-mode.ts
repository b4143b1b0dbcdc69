import { parseChoice } from '../flag-values.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import { namesPolicySource } from './policy-source-flags.js';

const modes = ['shard', 'cache-server'] as const;

/** The same as that of `start`, which a configuration file has, for commands that answer offline. */
export const offlineMode: Flag = {
  name: '--mode',
  value: 'mode',
  choices: modes,
  default: 'shard',
  description: `which server is asked, ${modes.join(' or ')}; a cache-server asks no RBAC where no flag says where the policy is`,
};

/** Whether that server would have a policy. @throws UsageError naming the flag. */
export function hasPolicy(values: FlagValues): boolean {
  const mode = parseChoice(offlineMode.name, valueOf(values, offlineMode) ?? '', modes);
  return mode === 'shard' || namesPolicySource(values);
}
