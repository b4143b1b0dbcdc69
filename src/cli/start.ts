import { pino } from 'pino';
import type { AuditSink } from '../request/steps/audit.js';
import type { ServerKind } from '../paths/classify.js';
import { startServer, type RunningServer } from '../server/start-server.js';
import { auditFlags } from '../options/audit/audit-flags.js';
import { authenticationTopics } from '../options/authentication/authentication.js';
import { authorizationFlags } from '../options/authorization/authorization-flags.js';
import { authorizationWebhookFlags } from '../options/authorization/authorization-webhook-flags.js';
import { configFlag } from '../options/configuration/config-flag.js';
import { parseChoice } from '../options/flag-values.js';
import { valueOf, type Flag, type FlagTopic, type FlagValues } from '../options/flags.js';
import { expositionFlags } from '../options/exposition/exposition.js';
import { HeldBackLogger } from '../options/held-back-logger.js';
import { Opened } from '../options/opened.js';
import { policyKeepingFlags } from '../options/policy/policy-flags.js';
import { policySourceFlags } from '../options/policy/policy-source-flags.js';
import { openServerOptions } from '../options/server-options.js';
import { limitsFlags } from '../options/serving/limits-flags.js';
import { maintenanceFlags } from '../options/serving/maintenance-flags.js';
import { servingFlags } from '../options/serving/serving-flags.js';
import { shutdownFlags } from '../options/serving/shutdown-flags.js';
import { UsageError } from '../options/usage-error.js';
import type { SharedByWorkers } from './workers/shared-by-workers.js';
import { workersFlags } from '../options/serving/workers-flags.js';
import { flagsInForce } from '../options/serving/flags-in-force.js';
import { zPagesFlags } from '../options/serving/z-pages-flags.js';

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

export interface StartContext {
  readonly onAuditEvent?: AuditSink;
  /** Where this is one of several workers. */
  readonly shared?: SharedByWorkers;
}

/**
 * Starts the server the flags describe. Everything is read and checked before it listens.
 *
 * @throws UsageError naming the flag to mend; then nothing listens.
 */
export async function start(
  values: FlagValues,
  { onAuditEvent, shared }: StartContext = {},
): Promise<RunningServer> {
  const serverKind = serverKindOf(values);
  const logger = new HeldBackLogger(
    pino({ name: 'kcp-metrics-filter', level: logLevelOf(values) }, pino.destination({ fd: 2, sync: true })),
  );
  const opened = new Opened();
  try {
    const options = await openServerOptions(values, serverKind, logger, opened, shared);
    const server = await startServer({
      ...options,
      ...(shared === undefined ? {} : { port: shared.port(options.port ?? 0) }),
      ...(options.zPages === undefined
        ? {}
        : { zPages: { ...options.zPages, flags: flagsInForce(values, startFlags) } }),
      onAuditEvent: (event) => {
        options.onAuditEvent?.(event);
        onAuditEvent?.(event);
      },
    });
    logger.release();
    // Of several workers, the primary says it once.
    logger[shared === undefined ? 'info' : 'debug']({ url: server.url, mode: serverKind }, 'listening');
    return {
      ...server,
      close: async () => {
        try {
          await server.close();
        } finally {
          await opened.close();
        }
      },
    };
  } catch (error) {
    await opened.close();
    if (isAddressFault(error)) throw new UsageError(`--bind-address, --secure-port: ${error.message}`);
    throw error;
  }
}

function isAddressFault(error: unknown): error is NodeJS.ErrnoException {
  return (
    error instanceof Error && 'syscall' in error && (error.syscall === 'listen' || error.syscall === 'bind')
  );
}
