import { describe, expect, it } from 'vitest';
import { Registry } from 'prom-client';
import { startLimited } from './limited-server.js';

const contentType = Registry.PROMETHEUS_CONTENT_TYPE;

describe('a server that is closed', () => {
  it('cuts a scrape that is under way at the deadline', async () => {
    let begun: () => void = () => undefined;
    const hasBegun = new Promise<void>((resolve) => (begun = resolve));
    const server = await startLimited({
      shutdownTimeoutMs: 100,
      exposition: {
        contentType: () => contentType,
        render: () => {
          begun();
          return new Promise(() => undefined);
        },
      },
    });
    const scrape = server.scrape('scraper-token').catch(() => 'cut');
    await hasBegun;
    await server.server.close();
    expect(await scrape).toBe('cut');
    await server.stop();
  });

  it('takes new connections until the delay is over, and none after', async () => {
    const server = await startLimited({ shutdownDelayMs: 300 });
    const closed = server.server.close();
    expect(server.server.close()).toBe(closed);
    const answer = await server.scrape('scraper-token');
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'keep-alive']);
    const ready = await server.scrape('', '127.0.0.1', '/readyz');
    expect([ready.status, ready.body.includes('[-]shutdown failed')]).toEqual([500, true]);
    await closed;
    await expect(server.scrape('scraper-token')).rejects.toThrow('ECONNREFUSED');
    await server.stop();
  });
});
