import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/soak/**/*.soak.ts'],
    hookTimeout: 120_000,
    reporters: ['default', './test/summary-reporter.ts'],
  },
});
