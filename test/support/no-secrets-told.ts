// Set up before every test file: no process that it starts may write a secret that it uses.
import { afterAll, expect } from 'vitest';
import { takeOutputsWithSecrets } from './told-secrets.js';

afterAll(() => {
  expect(takeOutputsWithSecrets(), 'processes that wrote a secret').toEqual([]);
});
