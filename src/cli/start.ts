import { pino } from 'pino';
import type { AuditSink } from '../http/audit.js';
import type { ServerKind } from '../paths/classify.js';
import { startServer, type RunningServer } from '../server/start-server.js';
import { auditFlags } from './audit/audit-flags.js';
import { authenticationTopics } from './authentication/authentication.js';
import { authorizationFlags } from './authorization/authorization-flags.js';
import { authorizationWebhookFlags } from './authorization/authorization-webhook-flags.js';
import { configFlag } from './configuration/config-flag.js';
import { parseChoice } from './flag-values.js';
import { valueOf, type Flag, type FlagTopic, type FlagValues } from './flags.js';
import { expositionFlags } from './exposition/exposition.js';
import { HeldBackLogger } from './held-back-logger.js';
import { Opened } from './opened.js';
import { policyKeepingFlags } from './policy/policy-flags.js';
import { policySourceFlags } from './policy/policy-source-flags.js';
import { openServerOptions } from './server-options.js';
import { limitsFlags } from './serving/limits-flags.js';
import { maintenanceFlags } from './serving/maintenance-flags.js';
import { servingFlags } from './serving/serving-flags.js';
import { shutdownFlags } from './serving/shutdown-flags.js';
import { UsageError } from './usage-error.js';
import type { SharedByWorkers } from './workers/shared-by-workers.js';
import { workersFlags } from './workers/workers-flags.js';
import { flagsInForce } from './serving/flags-in-force.js';
import { zPagesFlags } from './serving/z-pages-flags.js';

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
