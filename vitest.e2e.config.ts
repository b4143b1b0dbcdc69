import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/e2e/**/*.e2e.ts'],
    // Each file starts servers of its own, and most of its time it waits for what they do not do.
    maxWorkers: 2,
    setupFiles: ['./test/support/after-every-file.ts'],
    // What has not happened by then never will: deadlines name what hangs, and nothing passes or fails by the clock.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    reporters: ['default', './test/summary-reporter.ts'],
  },
});
