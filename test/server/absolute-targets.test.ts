import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { RawClient } from '../support/raw-tls.js';
import { startLimited } from './limited-server.js';

describe('a target in absolute form', () => {
  it.each([
    ['http://localhost/metrics', '/metrics', 200],
    ['http://[x/metrics', '/metrics', 200],
    ['http://xn--0/metrics', '/metrics', 200],
    ['http://a:b/metrics', '/metrics', 200],
    ['http://', '/', 403],
    ['foo://x', '/', 403],
    ['foo://x/clusters/root/metrics', '/clusters/root/metrics', 501],
  ])('is guarded by its path and leaves one audit event, readable for Express or not: %s', async (...row) => {
    const [target, path, status] = row;
    const server = await startLimited({});
    const client = new RawClient({ port: server.server.port });
    const answer = await client.request(target, { headers: { Authorization: 'Bearer scraper-token' } });
    expect(answer.status).toBe(status);
    const { events } = server;
    await expect.poll(() => events.length).toBe(1);
    expect(events).toMatchObject([{ path, requestUri: path, code: status }]);
    expect(answer.headers.get('audit-id')).toBe(events[0]?.auditId);
  });

  it('or of any other leaves one audit event too, unless it is no HTTP', async () => {
    const server = await startLimited({});
    const client = new RawClient({ port: server.server.port });
    const { events } = server;
    const targets = fc.stringMatching(/^(?:\/|\*|[a-z]{1,5}:\/\/|[a-z]{1,5}:)[!-~]{0,30}$/);
    await fc.assert(
      fc.asyncProperty(targets, async (target) => {
        const before = events.length;
        const { status, headers } = await client.request(target);
        const auditId = headers.get('audit-id');
        if (auditId === undefined) {
          // Node's own.
          expect([status, events.length]).toEqual([400, before]);
          return;
        }
        await vi.waitUntil(() => events.length > before, { timeout: 5000, interval: 1 });
        expect(events.slice(before)).toMatchObject([{ auditId, code: status }]);
      }),
      { numRuns: 300 },
    );
  });
});
