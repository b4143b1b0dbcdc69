import { presentOnly } from '../present-only.js';
import { logging, serverKindOf } from '../options/general-options.js';
import { openServerOptions, type Opener } from '../options/open-server.js';
import { heldBackLogger, Opened, type HeldBackLogger } from '../options/starting.js';
import type { GivenOptions } from '../options/option.js';
import { listening } from '../options/serving-options.js';
import { UsageError } from '../options/usage-error.js';
import { pino } from 'pino';
import { startServer, type RunningServer } from '../server/start-server.js';
import type { Terminal } from './command.js';

interface StartContext extends Pick<Opener, 'onAuditEvent' | 'shared'> {
  readonly log?: NonNullable<Terminal['log']>;
}

export function startLogger(
  values: GivenOptions,
  log: StartContext['log'] = pino.destination({ fd: 2, sync: true }),
): HeldBackLogger {
  return heldBackLogger(pino({ name: 'kcp-metrics-filter', level: logging.read(values).logLevel }, log));
}

/**
 * Starts the server the flags describe. Everything is read and checked before it listens. @throws UsageError naming the
 * flag to fix; then nothing listens.
 */
export async function start(values: GivenOptions, context: StartContext = {}): Promise<RunningServer> {
  const { shared, log, ...opener } = context;
  const logger = startLogger(values, log);
  const opened = new Opened();
  try {
    const options = await openServerOptions(values, { ...opener, logger, opened, shared });
    const port = shared?.port(options.port ?? 0);
    const server = opened.add(await startServer({ ...options, ...presentOnly({ port }) }));
    logger.release();
    // With several workers, the primary logs it once.
    const level = shared === undefined ? 'info' : 'debug';
    logger[level]({ url: server.url, mode: serverKindOf(values) }, 'listening');
    let closing: Promise<void> | undefined;
    return { ...server, close: () => (closing ??= opened.close()) };
  } catch (error) {
    await opened.close();
    const { bindAddress, securePort } = listening.options;
    const isOfAddress =
      error instanceof Error && 'syscall' in error && /^(?:listen|bind)$/.test(String(error.syscall));
    throw isOfAddress ? new UsageError(`${bindAddress.name}, ${securePort.name}: ${error.message}`) : error;
  }
}
