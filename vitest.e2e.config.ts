import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/e2e/**/*.e2e.ts'],
    // Each file starts servers of its own, which need the processors for themselves.
    fileParallelism: false,
    setupFiles: ['./test/support/no-secrets-told.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ['default', './test/summary-reporter.ts'],
  },
});
