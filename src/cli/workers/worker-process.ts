import type { Terminal } from '../command.js';
import { start } from '../start.js';
import { WorkerLink } from './worker-link.js';

/**
 * Serves as one of several workers until the primary or somebody else ends it; resolves to the exit code. Flags are
 * those that the primary has read, so that all workers serve alike however late they start. Where the primary is gone,
 * Node ends the process.
 *
 * @throws UsageError naming the flag.
 */
export async function serveAsWorker({ stopRequested }: Pick<Terminal, 'stopRequested'>): Promise<number> {
  const { link, values } = await WorkerLink.open();
  try {
    const stop = stopRequested();
    const server = await start(values, { shared: link });
    link.listening(server);
    await Promise.race([stop, link.drainRequested]);
    await server.close();
    return 0;
  } finally {
    link.close();
  }
}
