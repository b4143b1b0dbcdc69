// Set up before every test file: what must be so after each test, and after the file.
import { afterAll, afterEach, expect, vi } from 'vitest';
import { endAfterFile } from './ending.js';
import { removeTemporaryDirectories } from './temporary-directory.js';
import { takeOutputsWithSecrets } from './told-secrets.js';

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

afterAll(async () => {
  await endAfterFile();
  removeTemporaryDirectories();
  // No process that it started may write a secret that it used.
  expect(takeOutputsWithSecrets(), 'processes that wrote a secret').toEqual([]);
});
