import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/e2e/**/*.e2e.ts'],
    // Each file starts servers of its own, and most of its time it waits for what they do not do.
    maxWorkers: 2,
    setupFiles: ['./test/support/no-secrets-told.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ['default', './test/summary-reporter.ts'],
  },
});
