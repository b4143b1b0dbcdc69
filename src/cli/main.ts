#!/usr/bin/env node
import { once } from 'node:events';
import { run } from './program.js';

const exitCode = await run(process.argv.slice(2), {
  print: (line) => process.stdout.write(`${line}\n`),
  printError: (line) => process.stderr.write(`${line}\n`),
  stopRequested: async () => {
    await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  },
});
process.exitCode = exitCode;
