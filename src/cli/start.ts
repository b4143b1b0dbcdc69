import { pino } from 'pino';
import type { AuditSink } from '../http/audit.js';
import type { ServerKind } from '../paths/classify.js';
import { startServer, type RunningServer } from '../server/start-server.js';
import { authenticationFlags } from './authentication/authentication.js';
import { authorizationFlags } from './authorization/authorization-flags.js';
import { authorizationWebhookFlags } from './authorization/authorization-webhook-flags.js';
import { parseChoice } from './flag-values.js';
import { valueOf, type Flag, type FlagValues } from './flags.js';
import { expositionFlags } from './exposition/exposition.js';
import { HeldBackLogger } from './held-back-logger.js';
import { Opened } from './opened.js';
import { policyKeepingFlags } from './policy/policy-flags.js';
import { policySourceFlags } from './policy/policy-source-flags.js';
import { openServerOptions } from './server-options.js';
import { servingFlags } from './serving/serving-flags.js';
import { UsageError } from './usage-error.js';

const modes: readonly ServerKind[] = ['shard', 'cache-server'];
const logLevels = ['debug', 'info', 'warn', 'error'] as const;

const mode: Flag = {
  name: '--mode',
  value: 'mode',
  description: `whose path rules apply: ${modes.join(' or ')}; required`,
};
const logLevel: Flag = {
  name: '--log-level',
  value: 'level',
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

export const startFlags: readonly Flag[] = [
  mode,
  ...servingFlags,
  ...expositionFlags,
  ...authenticationFlags,
  ...authorizationFlags,
  ...authorizationWebhookFlags,
  ...policySourceFlags,
  ...policyKeepingFlags,
  logLevel,
];

/**
 * Starts the server the flags describe. Everything is read and checked before it listens.
 *
 * @throws UsageError naming the flag to mend; then nothing listens.
 */
export async function start(
  values: FlagValues,
  { onAuditEvent }: { readonly onAuditEvent?: AuditSink } = {},
): Promise<RunningServer> {
  const serverKind = serverKindOf(values);
  const logger = new HeldBackLogger(
    pino({ name: 'kcp-metrics-filter', level: logLevelOf(values) }, pino.destination({ fd: 2, sync: true })),
  );
  const opened = new Opened();
  try {
    const server = await startServer({
      ...(await openServerOptions(values, serverKind, logger, opened)),
      ...(onAuditEvent === undefined ? {} : { onAuditEvent }),
    });
    logger.release();
    logger.info({ url: server.url, mode: serverKind }, 'listening');
    return {
      ...server,
      close: async () => {
        await server.close();
        await opened.close();
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
