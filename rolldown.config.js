// Bundles what applications import: evaluating 186 modules took an application nearly as long as Express and prom-client
// together. What openMetricsFilter alone needs is a chunk that its first call loads. The command keeps its modules, so that it loads what it runs.
import { defineConfig } from 'rolldown';

export default defineConfig({
  input: { index: 'dist/index.js', 'server-exports': 'dist/server-exports.js' },
  platform: 'node',
  external: /^[^./]/,
  logLevel: 'warn',
  output: {
    // Directly in dist, one level below the package's folder: see src/own-package.ts.
    dir: 'dist',
    // `dist` is what index.js exports: openMetricsFilter's own chunk imports it, too.
    chunkFileNames: ({ name }) => `${name === 'dist' ? 'library' : name}.js`,
    codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] },
    // The class of an error is logged, and stack traces are read.
    keepNames: true,
    minify: false,
  },
});
