import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

/** Files that replace a module, or count what a process has run: each in a process of its own. */
const isolated = [
  'test/authentication/certificates/certificate-verifier.test.ts',
  'test/pki/x509.test.ts',
  'test/request/ways.test.ts',
];

export default defineConfig({
  test: {
    // One more than there are processors: half of their time, tests wait for processes, sockets and clocks.
    maxWorkers: availableParallelism() + 1,
    reporters: ['default', './test/summary-reporter.ts'],
    projects: [
      {
        // The sources are evaluated once for all files of a worker.
        extends: true,
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...isolated],
          isolate: false,
        },
      },
      { extends: true, test: { name: 'isolated', include: isolated, isolate: true } },
    ],
    setupFiles: ['./test/support/after-every-file.ts'],
    // Ends what hangs: a busy machine may take many times as long as a quiet one.
    testTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
    hookTimeout: 60_000,
  },
});
