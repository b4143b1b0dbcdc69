import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Most tests wait for processes and sockets rather than for the processor.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Built files are run as they are.
    server: { deps: { external: [/\/dist\//] } },
    setupFiles: ['./test/support/no-secrets-told.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    reporters: ['default', './test/summary-reporter.ts'],
  },
});
