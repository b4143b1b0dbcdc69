import { Session } from 'node:inspector/promises';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodedExposition, FilterMetrics, registriesExposition, sharedExposition } from '../../src/index.js';
import { startLimited, type LimitedServer } from '../server/limited-server.js';
import { registryWith } from '../support/filter.js';
import { RawClient } from '../support/raw-tls.js';

const src = fileURLToPath(new URL('../../src/', import.meta.url));

let server: LimitedServer;
let client: RawClient;
const session = new Session();

beforeAll(async () => {
  server = await startLimited({
    exposition: sharedExposition(encodedExposition(registriesExposition({ registries: [registryWith()] }))),
    telemetry: new FilterMetrics(new Registry()),
  });
  client = new RawClient({ port: server.server.port });
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
});
afterAll(() => {
  session.disconnect();
});

/** The files of which a function ran while one warm request was answered, on a connection that is open. */
async function filesOnTheWay(target: string, token: string, status: number): Promise<readonly string[]> {
  const headers = { Authorization: `Bearer ${token}` };
  const ask = async (): Promise<void> => {
    expect((await client.request(target, { headers })).status).toBe(status);
  };
  for (let times = 0; times < 3; times += 1) await ask();
  await session.post('Profiler.takePreciseCoverage');
  await ask();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  return result
    .filter(({ functions }) => functions.some(({ ranges }) => ranges.some(({ count }) => count > 0)))
    .map(({ url }) => url.replace(/^file:\/\//, ''))
    .filter((url) => url.startsWith(src))
    .map((url) => url.slice(src.length))
    .sort();
}

describe('the way of a warm request', () => {
  it.each([
    [501, '/clusters/root/metrics', 'scraper-token', 15],
    [403, '/metrics', 'mallory-token', 30],
    [200, '/metrics', 'scraper-token', 60],
  ])('to a %i passes few files', async (status, target, token, most) => {
    const files = await filesOnTheWay(target, token, status);
    expect(files).toContain('request/guard.ts');
    // Listed where there are more.
    expect(files.length <= most ? [] : files).toEqual([]);
  });
});
