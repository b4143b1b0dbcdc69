import { pino } from 'pino';
import type { AuditSink } from '../request/steps/audit.js';
import { startServer, type RunningServer } from '../server/start-server.js';
import type { FlagValues } from '../options/flags.js';
import { HeldBackLogger } from '../options/held-back-logger.js';
import { Opened } from '../options/opened.js';
import { openServerOptions } from '../options/server-options.js';
import { flagsInForce } from '../options/serving/flags-in-force.js';
import type { SharedByWorkers } from '../options/shared-by-workers.js';
import { logLevelOf, serverKindOf, startFlags } from '../options/start-topics.js';
import { UsageError } from '../options/usage-error.js';

export interface StartContext {
  readonly onAuditEvent?: AuditSink;
  /** Where this is one of several workers. */
  readonly shared?: SharedByWorkers;
}

/** Writes to stderr, and nothing before `release`: a start that fails says so in one line. */
export function startLogger(values: FlagValues): HeldBackLogger {
  return new HeldBackLogger(
    pino({ name: 'kcp-metrics-filter', level: logLevelOf(values) }, pino.destination({ fd: 2, sync: true })),
  );
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
  const logger = startLogger(values);
  const opened = new Opened();
  try {
    const options = await openServerOptions(values, serverKind, logger, opened, shared);
    const server = await startServer({
      ...options,
      ...(shared && { port: shared.port(options.port ?? 0) }),
      ...(options.zPages && { zPages: { ...options.zPages, flags: flagsInForce(values, startFlags) } }),
      onAuditEvent: (event) => {
        options.onAuditEvent?.(event);
        onAuditEvent?.(event);
      },
    });
    logger.release();
    // With several workers, the primary says it once.
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
