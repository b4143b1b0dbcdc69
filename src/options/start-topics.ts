import type { ServerKind } from '../paths/classify.js';
import { auditFlags } from './audit/audit-flags.js';
import { authenticationTopics } from './authentication/authentication.js';
import { authorizationFlags } from './authorization/authorization-flags.js';
import { authorizationWebhookFlags } from './authorization/authorization-webhook-flags.js';
import { configFlag } from './configuration/config-flag.js';
import { expositionFlags } from './exposition/exposition.js';
import { parseChoice } from './flag-values.js';
import { valueOf, type Flag, type FlagTopic, type FlagValues } from './flags.js';
import { policyKeepingFlags } from './policy/policy-flags.js';
import { policySourceFlags } from './policy/policy-source-flags.js';
import { limitsFlags } from './serving/limits-flags.js';
import { maintenanceFlags } from './serving/maintenance-flags.js';
import { servingFlags } from './serving/serving-flags.js';
import { shutdownFlags } from './serving/shutdown-flags.js';
import { workersFlags } from './serving/workers-flags.js';
import { zPagesFlags } from './serving/z-pages-flags.js';
import { UsageError } from './usage-error.js';

const modes: readonly ServerKind[] = ['shard', 'cache-server'];
const logLevels = ['debug', 'info', 'warn', 'error'] as const;

const mode: Flag = {
  name: '--mode',
  value: 'mode',
  choices: modes,
  description: `whose path rules apply: ${modes.join(' or ')}; required`,
};
const logLevel: Flag = {
  name: '--log-level',
  value: 'level',
  choices: logLevels,
  default: 'info',
  description: `${logLevels.join(', ')}; debug writes one line a request`,
};

/** @throws UsageError naming the flag. */
export function serverKindOf(values: FlagValues): ServerKind {
  const given = valueOf(values, mode);
  if (given === undefined) throw new UsageError(`${mode.name}: required: ${modes.join(' or ')}`);
  return parseChoice(mode.name, given, modes);
}

/** @throws UsageError naming the flag. */
export function logLevelOf(values: FlagValues): (typeof logLevels)[number] {
  return parseChoice(logLevel.name, valueOf(values, logLevel) ?? '', logLevels);
}

/** The flags by what they configure, as `--help` and the README show them. */
export const startTopics: readonly FlagTopic[] = [
  { heading: 'Configuration', flags: [configFlag, mode] },
  { heading: 'Serving', flags: [...servingFlags, ...workersFlags] },
  { heading: 'Limits', flags: limitsFlags },
  { heading: 'Maintenance and shutdown', flags: [...maintenanceFlags, ...shutdownFlags] },
  { heading: 'What is served', flags: [...expositionFlags, ...zPagesFlags] },
  ...authenticationTopics,
  { heading: 'Authorization', flags: authorizationFlags },
  { heading: 'Authorization: another server is asked', flags: authorizationWebhookFlags },
  { heading: 'Policy', flags: [...policySourceFlags, ...policyKeepingFlags] },
  { heading: 'Audit', flags: auditFlags },
  { heading: 'Logging', flags: [logLevel] },
];

export const startFlags: readonly Flag[] = startTopics.flatMap(({ flags }) => flags);
