import { describe, expect, it } from 'vitest';
import { tokenFileAuthenticator } from '../../src/index.js';
import { tokens } from '../support/filter.js';
import { RawClient, type RawAnswer } from '../support/raw-tls.js';
import { startLimited } from './limited-server.js';

/** The answers' codes, one request after the other. */
async function statuses(count: number, ask: () => Promise<RawAnswer>): Promise<readonly number[]> {
  const found: number[] = [];
  while (found.length < count) found.push((await ask()).status);
  return found;
}

/** So slow that no token flows in while a test runs. */
const slowly = 0.001;

describe('limits of requests', () => {
  it('answer 429 as Kubernetes does, with the time to wait', async () => {
    const server = await startLimited({ requestLimits: { perSecondByAddress: slowly } });
    expect((await server.scrape('scraper-token')).status).toBe(200);
    const answer = await server.scrape('scraper-token');
    expect(answer.status).toBe(429);
    expect(JSON.parse(answer.body)).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'Too many requests: please try again later',
      reason: 'TooManyRequests',
      code: 429,
    });
    const seconds = Number(answer.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(900);
    expect(seconds).toBeLessThanOrEqual(1000);
  });

  it('by address stop a flood before anybody is authenticated, and no other address', async () => {
    let asked = 0;
    const file = tokenFileAuthenticator({ text: tokens, file: 'tokens.csv' });
    const server = await startLimited({
      requestLimits: { perSecondByAddress: slowly },
      authenticators: [
        {
          name: 'counted',
          authenticate: (credentials) => {
            asked += 1;
            return file.authenticate(credentials);
          },
        },
      ],
    });
    expect(await statuses(5, () => server.scrape('wrong'))).toEqual([401, 429, 429, 429, 429]);
    expect(asked).toBe(1);
    expect((await server.scrape('scraper-token', '127.0.0.2')).status).toBe(200);
    expect(await server.metric('kcp_metrics_filter_limited_requests_total')).toBe(4);
  });

  it('by identity stop one user wherever he comes from, and no other', async () => {
    const server = await startLimited({ requestLimits: { perSecondByIdentity: slowly } });
    expect(await statuses(3, () => server.scrape('scraper-token'))).toEqual([200, 429, 429]);
    expect((await server.scrape('scraper-token', '127.0.0.2')).status).toBe(429);
    expect((await server.scrape('admin-token')).status).toBe(200);
  });

  it('by identity tell apart service accounts of one name in several workspaces', async () => {
    const scrapers: unknown[] = [];
    const server = await startLimited({
      requestLimits: { perSecondByIdentity: slowly },
      authenticators: [
        {
          name: 'workspaces',
          authenticate: ({ headers }) => {
            const [home = ''] = headers['authorization']?.map((line) => line.replace('Bearer ', '')) ?? [];
            const extra = home === '-' ? {} : { 'authentication.kcp.io/cluster-name': [home] };
            const name = 'system:serviceaccount:monitoring:prometheus';
            const identity = { name, groups: home === 'mallory' ? [] : ['system:masters'], extra };
            return Promise.resolve({ kind: 'authenticated', identity });
          },
        },
      ],
      exposition: {
        contentType: () => 'text/plain',
        render: ({ scraper }) => {
          scrapers.push(scraper);
          return Promise.resolve({ contentType: 'text/plain', body: '' });
        },
      },
    });
    expect(await statuses(3, () => server.scrape('mallory'))).toEqual([403, 429, 429]);
    expect(await statuses(2, () => server.scrape('root'))).toEqual([200, 429]);
    expect(await statuses(2, () => server.scrape('-'))).toEqual([200, 429]);
    // Nor does one take the other's places among the renderings.
    expect(scrapers).toEqual([
      'system:kcp:serviceaccount:root:monitoring:prometheus',
      'system:serviceaccount:monitoring:prometheus',
    ]);
  });

  it('by identity count what is denied too, so that no flood of it reaches an authorizer', async () => {
    const server = await startLimited({ requestLimits: { perSecondByIdentity: slowly } });
    expect(await statuses(3, () => server.scrape('mallory-token'))).toEqual([403, 429, 429]);
  });

  it('look at no header that a client can choose', async () => {
    const server = await startLimited({
      requestLimits: { perSecondByAddress: slowly, perSecondByIdentity: slowly },
      authenticators: [tokenFileAuthenticator({ text: tokens, file: 'tokens.csv' })],
    });
    await server.scrape('scraper-token');
    const client = new RawClient({ port: server.server.port });
    for (const [at, name] of ['X-Forwarded-For', 'X-Real-Ip', 'X-Remote-User', 'Forwarded'].entries()) {
      const answer = await client.request('/metrics', { headers: { [name]: `192.0.2.${at}` } });
      expect(answer.status).toBe(429);
    }
  });

  it('leave a front proxy that has proved itself to the limit by identity', async () => {
    let users = 0;
    const proxy = {
      name: 'front-proxy',
      authenticate: () =>
        Promise.resolve({
          kind: 'authenticated' as const,
          identity: { name: `user ${(users += 1)}`, groups: ['system:masters'], extra: {} },
        }),
      isFrontProxy: () => true,
    };
    const server = await startLimited({
      requestLimits: { perSecondByAddress: slowly, perSecondByIdentity: slowly },
      authenticators: [proxy],
    });
    expect(await statuses(4, () => server.scrape(''))).toEqual([200, 200, 200, 200]);
  });

  it.each(['/livez', '/readyz', '/healthz', '/clusters/root:org/livez', '/clusters/root/readyz?verbose'])(
    'never stop a probe of %s',
    async (target) => {
      const server = await startLimited({
        requestLimits: { perSecondByAddress: slowly, perSecondByIdentity: slowly },
      });
      expect(await statuses(3, () => server.scrape('wrong'))).toEqual([401, 429, 429]);
      const probes = await statuses(5, () => server.scrape('', '127.0.0.1', target));
      expect(probes).toEqual([200, 200, 200, 200, 200]);
    },
  );

  it('give health that needs a credential a bucket of its own', async () => {
    const server = await startLimited({
      requestLimits: { perSecondByAddress: slowly },
      alwaysAllowPaths: [],
    });
    expect(await statuses(2, () => server.scrape('wrong'))).toEqual([401, 429]);
    const probes = await statuses(2, () => server.scrape('admin-token', '127.0.0.1', '/livez'));
    expect(probes).toEqual([200, 429]);
  });

  it('do not except a single check, which nobody probes', async () => {
    const server = await startLimited({ requestLimits: { perSecondByAddress: slowly } });
    const probes = await statuses(2, () => server.scrape('wrong', '127.0.0.1', '/livez/ping'));
    expect(probes).toEqual([401, 429]);
  });

  it('are audited, each with its reason and the user if he is known', async () => {
    const server = await startLimited({
      requestLimits: { perSecondByIdentity: slowly, perSecondByAddress: 1 },
    });
    await server.scrape('scraper-token');
    await server.scrape('scraper-token');
    await server.scrape('scraper-token');
    // An event follows its answer.
    await server.server.close();
    const limitedEvents = server.events.filter(({ code }) => code === 429);
    expect(limitedEvents).toMatchObject([
      {
        identity: { name: 'scraper' },
        failure: { reason: 'TooManyRequests' },
        annotations: { 'shardpaths.kcp.io/rejected': 'too many requests by this identity' },
      },
      { annotations: { 'shardpaths.kcp.io/rejected': 'too many requests from this address' } },
    ]);
    expect(limitedEvents[1]?.identity).toBeUndefined();
  });

  it('do not exist unless they are asked for', async () => {
    const server = await startLimited({});
    const answers = await Promise.all(Array.from({ length: 50 }, () => server.scrape('scraper-token')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });
});
