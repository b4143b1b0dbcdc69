#!/usr/bin/env node
import { run } from './program.js';
import { stopSignals } from './command.js';

// A closed pipe (`demo | head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

process.exitCode = await run(process.argv.slice(2), {
  print: (line) => process.stdout.write(`${line}\n`),
  printError: (line) => process.stderr.write(`${line}\n`),
  stopRequested: stopSignals(process),
});
