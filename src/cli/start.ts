import { presentOnly } from '../present-only.js';
import { logging, serverKindOf } from '../options/general-options.js';
import { openServerOptions } from '../options/open-server.js';
import { Opened, type Opener } from '../options/starting.js';
import type { GivenOptions } from '../options/option.js';
import { listening } from '../options/serving-options.js';
import { UsageError } from '../options/usage-error.js';
import { pino } from 'pino';
import { startServer, type RunningServer } from '../server/start-server.js';
import type { Terminal } from './command.js';

interface StartContext extends Pick<Opener, 'onAuditEvent' | 'shared'> {
  readonly log?: NonNullable<Terminal['log']>;
}

/** A logger that holds back its lines until `release` is called, so that a failed start prints one line only. */
export function startLogger(
  values: GivenOptions,
  log: NonNullable<StartContext['log']> = pino.destination({ fd: 2, sync: true }),
) {
  let held: string[] | undefined = [];
  const write = (line: string): void => {
    if (held === undefined) log.write(line);
    else held.push(line);
  };
  const logger = pino({ name: 'kcp-metrics-filter', level: logging.read(values).logLevel }, { write });
  const release = (): void => {
    const lines = held ?? [];
    held = undefined;
    lines.forEach(write);
  };
  return { logger, release };
}

/**
 * Starts the server the flags describe. Everything is read and checked before it listens. @throws UsageError naming the
 * flag to fix; then nothing listens.
 */
export async function start(values: GivenOptions, context: StartContext = {}): Promise<RunningServer> {
  const { shared, log, ...opener } = context;
  const { logger, release } = startLogger(values, log);
  const opened = new Opened();
  try {
    const options = await openServerOptions(values, { ...opener, logger, opened, shared });
    const port = shared?.port(options.port ?? 0);
    const server = opened.add(await startServer({ ...options, ...presentOnly({ port }) }));
    release();
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
