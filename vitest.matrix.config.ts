import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/matrix/**/*.matrix.ts'],
    setupFiles: ['./test/support/after-every-file.ts'],
    hookTimeout: 120_000,
    reporters: ['default', './test/summary-reporter.ts'],
  },
});
