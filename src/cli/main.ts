#!/usr/bin/env node
import { run } from './program.js';

// A reader that has seen enough (`demo | head`) is no fault of this process.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

/**
 * Listens on after the first signal: npm passes Ctrl-C on to a process that the terminal has told already,
 * and the second one must not end it before requests under way are answered and files removed.
 */
function stopRequested(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        resolve();
      });
    }
  });
}

process.exitCode = await run(process.argv.slice(2), {
  print: (line) => process.stdout.write(`${line}\n`),
  printError: (line) => process.stderr.write(`${line}\n`),
  stopRequested,
});
