// Bundles what applications import, and the command: evaluating 186 modules took an application nearly as long as Express
// and prom-client together, and `start` a fifth of its time. What openMetricsFilter alone needs is a chunk that its first
// call loads, and each command loads its own. What is published is what is bundled; tests and benchmarks load modules.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { defineConfig } from 'rolldown';

const shared = {
  platform: 'node',
  external: /^[^./]/,
  logLevel: 'warn',
  // Several imports are dynamic so that one command loads less; others need the module anyway.
  checks: { ineffectiveDynamicImport: false },
};
const output = {
  // Chunks stand directly in dist, one level below the package's folder: see src/own-package.ts.
  dir: 'dist',
  // The class of an error is logged, and stack traces are read.
  keepNames: true,
  minify: false,
};

/** What is evaluated with a module of dist, added to `loaded`: it and all that it imports, but not what is imported later. */
function loadedWith(module, loaded) {
  const file = resolve('dist', module);
  if (loaded.has(file)) return loaded;
  loaded.add(file);
  for (const [, other] of readFileSync(file, 'utf8').matchAll(/^(?:import|export) .*from '(\..*)';$/gm)) {
    loadedWith(resolve(file, '..', other), loaded);
  }
  return loaded;
}

/**
 * The command's chunks. What several need goes into the first, so that a command loads few files, and little of others.
 * What every start imports later on is in its chunk as well: a file takes as long to load as 50 KB in one.
 */
const ofCommand = {
  command: ['cli/main.js'],
  options: ['cli/start-command.js'],
  policy: ['options/followed-policy.js'],
  offline: ['cli/can-i.js'],
  start: [
    'cli/start.js',
    'exposition/sources/registries-exposition.js',
    'exposition/sources/upstream/upstream.js',
    'exposition/delivery/encoded-exposition.js',
    'exposition/delivery/rendering-limit.js',
    'exposition/delivery/shared-exposition.js',
  ],
};

/** It waits until the command ends, and what it loads must not wait for it: no chunk imports it. */
const entry = resolve('dist/cli/main.js');

export default defineConfig([
  {
    ...shared,
    input: { index: 'dist/index.js', 'server-exports': 'dist/server-exports.js' },
    output: {
      ...output,
      // `dist` is what index.js exports: openMetricsFilter's own chunk imports it, too.
      chunkFileNames: ({ name }) => `${name === 'dist' ? 'library' : name}.js`,
      codeSplitting: { groups: [{ name: 'shared', minShareCount: 2 }] },
    },
  },
  {
    ...shared,
    input: { 'cli/main': 'dist/cli/main.js' },
    output: {
      ...output,
      chunkFileNames: ({ name }) => (name === 'command' ? 'command.js' : `command-${name}.js`),
      codeSplitting: {
        groups: Object.entries(ofCommand).map(([name, given], at) => {
          const modules = new Set();
          for (const module of given) loadedWith(module, modules);
          return { name, test: (id) => id !== entry && modules.has(id), priority: 10 - at };
        }),
      },
    },
  },
  {
    ...shared,
    input: { 'policy/sources/manifest-worker': 'dist/policy/sources/manifest-worker.js' },
    output: { ...output, codeSplitting: false },
  },
]);
