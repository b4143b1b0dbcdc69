import { presentOnly } from '../present-only.js';
import { workersOf } from '../options/serving-options.js';
import { startTopics } from '../options/start-topics.js';
import type { Command } from './command.js';
import { isWorkerProcess } from './workers/link-messages.js';

export const startCommand: Command = {
  topics: startTopics,
  run: async ({ values, terminal }) => {
    if (isWorkerProcess()) return (await import('./workers/worker-process.js')).serveAsWorker(terminal);
    const workers = workersOf(values);
    if (workers > 1) {
      const { serveWithWorkers } = await import('./workers/primary-process.js');
      return serveWithWorkers(values, workers, terminal);
    }
    const { start } = await import('./start.js');
    // Registered before the port opens, since a signal may follow at once.
    const stop = terminal.stopRequested();
    const server = await start(values, presentOnly({ log: terminal.log }));
    await stop;
    await server.close();
    return 0;
  },
};
