import { once } from 'node:events';
import type { IncomingMessage, RequestListener } from 'node:http';
import { request as send } from 'node:https';
import express from 'express';
import fc from 'fast-check';
import { Counter, Registry } from 'prom-client';
import supertest from 'supertest';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  directoryPolicySource,
  metricsFilter,
  MetricsFilterOptionError,
  openPolicy,
  registriesExposition,
  workspaceAccess,
  workspaceExpositions,
  type MetricsFilterOptions,
} from '../../src/index.js';
import { startLimited, type LimitedServer } from '../server/limited-server.js';
import { listenHttp } from '../support/listening.js';
import { filterOptions } from '../support/filter.js';
import { GrantedWorkspaces } from '../support/granted-workspaces.js';
import { RawClient, type RawAnswer } from '../support/raw-tls.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { words } from '../support/words.js';

const registry = new Registry();
const jobs = new Counter({
  name: 'jobs_total',
  help: 'Jobs.',
  labelNames: ['cluster'],
  registers: [registry],
});
jobs.inc({ cluster: '1org' }, 3);
jobs.inc({ cluster: '2org' }, 5);
jobs.inc({ cluster: 'system:admin' }, 7);
new Counter({ name: 'all_total', help: 'Of the process.', registers: [registry] }).inc();
const ofOrg = '# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total{cluster="1org"} 3\n';

const access = new GrantedWorkspaces([
  {
    cluster: '1org',
    path: 'root:org',
    granted: { get: ['scraper'], head: ['scraper'], delete: ['scraper'] },
  },
  { cluster: '2org', path: 'root:other', granted: { get: ['mallory'] } },
]);
const exposition = registriesExposition({ registries: [registry] });
const workspaceMetrics = { access, expositions: workspaceExpositions(exposition) };
const untouched: NonNullable<MetricsFilterOptions['authorizers']> = [
  {
    name: 'Unasked',
    authorize: ({ path }) => {
      throw new TypeError(`asked about ${path}`);
    },
  },
];

let server: LimitedServer;
let withoutWorkspaces: LimitedServer;
let client: RawClient;
let plainClient: RawClient;
beforeAll(async () => {
  const options = { exposition, anonymous: false, alwaysAllowPaths: ['/healthz', '/metrics', '/clusters/*'] };
  server = await startLimited({ ...options, workspaceMetrics, authorizers: untouched });
  withoutWorkspaces = await startLimited(options);
  client = new RawClient({ port: server.server.port });
  plainClient = new RawClient({ port: withoutWorkspaces.server.port });
});
afterEach(() => {
  access.fault = undefined;
});

const as = (token: string, method = 'GET') => ({ method, headers: { Authorization: `Bearer ${token}` } });
const scraper = as('scraper-token');
const withoutIds = ({ status, headers, body }: RawAnswer): object => ({
  status,
  body,
  headers: [...headers].filter(([name]) => !['audit-id', 'date'].includes(name)),
});
const denied = (verb: string, user = 'scraper'): string =>
  `forbidden: User "${user}" cannot ${verb} path "/metrics": access denied`;

describe('metrics of one workspace', () => {
  it.each([
    ['by its name', '/clusters/1org/metrics'],
    ['by its path', '/clusters/root:org/metrics'],
    ['by an escaped name', '/clusters/1%6frg/metrics'],
    ['with a query', '/clusters/1org/metrics?x=/clusters/2org/metrics'],
    ['in absolute form', 'https://localhost/clusters/1org/metrics'],
  ])('are those that carry its name, and no other: %s', async (_, target) => {
    const answer = await client.request(target, scraper);
    expect([answer.status, answer.body]).toEqual([200, ofOrg]);
    const head = await client.request(target, as('scraper-token', 'HEAD'));
    expect([head.status, head.body.length]).toEqual([200, 0]);
    expect(head.headers.get('content-type')).toBe(answer.headers.get('content-type'));
  });

  it.each([
    ['an unknown one', '/clusters/unknown/metrics', scraper, 403, denied('get')],
    ['one that grants nothing', '/clusters/2org/metrics', scraper, 403, denied('get')],
    ['a system workspace', '/clusters/system:admin/metrics', scraper, 403, denied('get')],
    ['another user', '/clusters/1org/metrics', as('mallory-token'), 403, denied('get', 'mallory')],
    ['another method', '/clusters/1org/metrics', as('scraper-token', 'POST'), 403, denied('post')],
    [
      'a method that is granted',
      '/clusters/1org/metrics',
      as('scraper-token', 'DELETE'),
      405,
      'not allow this method',
    ],
    ['a bad token', '/clusters/1org/metrics', as('wrong-token'), 401, 'Unauthorized'],
    ['no token', '/clusters/1org/metrics', {}, 401, 'Unauthorized'],
    ['all workspaces', '/clusters/*/metrics', scraper, 501, 'not available at workspace scope'],
    ['no workspace', '/clusters//metrics', scraper, 501, 'not available at workspace scope'],
    ['below them', '/clusters/1org/metrics/slis', scraper, 501, 'not available at workspace scope'],
    ['behind a slash', '/clusters/1org/metrics/', scraper, 501, 'not available at workspace scope'],
    ['no name', '/clusters/A/metrics', scraper, 400, 'does not match the regex'],
  ] as const)('are refused: %s', async (_, target, how, status, text) => {
    const answer = await client.request(target, how);
    expect([answer.status, answer.body.replaceAll('\\"', '"')]).toEqual([
      status,
      expect.stringContaining(text),
    ]);
  });

  it('of a workspace that is unknown, grants nothing or is a system workspace are refused in the same bytes', async () => {
    const answers = [];
    for (const name of ['unknown', '2org', 'root:other', 'system:admin', 'root:org:deep', 'root'])
      answers.push(withoutIds(await client.request(`/clusters/${name}/metrics`, scraper)));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it('are 503 while nothing is known of workspaces, as their list is, once the client is known', async () => {
    access.fault = 'not loaded';
    for (const target of ['/clusters/1org/metrics', '/clusters/unknown/metrics', '/http-sd/workspaces']) {
      const answer = await client.request(target, scraper);
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      expect((await client.request(target)).status).toBe(401);
    }
  });

  it('leave an audit event that names the workspace', async () => {
    await client.request('/clusters/root:org/metrics', scraper);
    expect(server.events.at(-1)).toMatchObject({
      verb: 'get',
      path: '/clusters/root:org/metrics',
      code: 200,
      identity: { name: 'scraper' },
      annotations: {
        'authorization.k8s.io/decision': 'allow',
        'authorization.k8s.io/reason': 'granted in "1org"',
      },
    });
    await client.request('/clusters/root:other/metrics', scraper);
    expect(server.events.at(-1)?.annotations).toMatchObject({ 'authorization.k8s.io/decision': 'forbid' });
  });

  it('are limited and refused in maintenance as all metrics are', async () => {
    const options = { exposition, workspaceMetrics };
    const busy = await startLimited({ ...options, requestLimits: { perSecondByIdentity: 1 } });
    const closed = await startLimited({ ...options, maintenance: { current: { kind: 'everybody' } } });
    const hidden = await startLimited({ ...options, allowPaths: ['/other'] });
    const target = '/clusters/1org/metrics';
    const statuses = [];
    for (let at = 0; at < 4; at += 1)
      statuses.push((await busy.scrape('scraper-token', undefined, target)).status);
    expect(statuses).toContain(429);
    expect((await closed.scrape('scraper-token', undefined, target)).status).toBe(503);
    expect((await closed.scrape('mallory-token', undefined, target)).status).toBe(403);
    expect((await hidden.scrape('scraper-token', undefined, target)).status).toBe(404);
  });

  it('change nothing else: whatever is asked is answered as without them, or is a workspace’s metrics', async () => {
    const piece = fc.constantFrom(
      ...words('/clusters/ /metrics 1org 2org root:org unknown system:admin * / // ..'),
      ...words('%2f %6d %252f % /slis ? # : A /services/cache /shards/a /http-sd/ é'),
      ...['workspaces', '\\', ';', '/healthz'],
    );
    const target = fc.oneof(
      fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join('')),
      fc
        .tuple(
          fc.constantFrom('1org', '2org', 'root:org', '1%6frg'),
          fc.constantFrom('', '?', '?x', '/', '/slis'),
        )
        .map(([name, end]) => `/clusters/${name}/metrics${end}`),
      fc.string({ maxLength: 20 }).map((name) => `/clusters/${encodeURIComponent(name)}/metrics`),
    );
    const method = fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS');
    const token = fc.constantFrom('scraper-token', 'mallory-token', 'wrong', '');
    const granted: Readonly<Record<string, readonly string[]>> = {
      'scraper-token': ['1org', 'root:org'],
      'mallory-token': ['2org', 'root:other'],
    };
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(target, method, token, async (path, verb, known) => {
        const sent = path.startsWith('/') ? path : `/${path}`;
        const how = known === '' ? { method: verb } : as(known, verb);
        const answer = await client.request(sent, how);
        const plain = await plainClient.request(sent, how);
        if (plain.status === 501 && answer.status !== 501) {
          const [, clusters, name = '', ...rest] = decodeURIComponent(sent.replace(/[?#].*/s, '')).split('/');
          expect([clusters, rest]).toEqual(['clusters', ['metrics']]);
          const own = granted[known];
          const whereGranted = own?.includes(name) === true ? [200, 403, 405] : [403];
          expect(own === undefined ? [401] : whereGranted).toContain(answer.status);
          statuses.add(answer.status);
          if (answer.status === 403)
            expect(withoutIds(answer)).toEqual(
              withoutIds(await client.request('/clusters/unknown/metrics', how)),
            );
        } else if (!/^\/http-sd\/workspaces(?:[?#]|$)/.test(sent) && answer.status !== 500)
          // 500: the authorizers were asked, who are not the same.
          expect(withoutIds(answer)).toEqual(withoutIds(plain));
      }),
      { numRuns: 1500 },
    );
    expect([...statuses].sort()).toEqual([200, 401, 403, 405]);
  }, 60_000);
});

describe('the list of workspaces for service discovery', () => {
  const target = '/http-sd/workspaces';

  async function list(token: string, host: string): Promise<{ response: IncomingMessage; body: string }> {
    const sent = send({
      port: server.server.port,
      path: target,
      rejectUnauthorized: false,
      servername: 'localhost',
      agent: false,
      headers: { Host: host, Authorization: `Bearer ${token}` },
    });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    let body = '';
    for await (const chunk of response.setEncoding('utf8')) body += chunk as string;
    return { response, body };
  }

  it.each([
    ['scraper-token', 'metrics.example:8443', '1org', 'root:org'],
    ['mallory-token', '[::1]:1', '2org', 'root:other'],
  ])('holds what its user may read: %s', async (token, host, cluster, path) => {
    const { response, body } = await list(token, host);
    expect([response.statusCode, response.headers['content-type']]).toEqual([200, 'application/json']);
    expect(JSON.parse(body)).toEqual([
      {
        targets: [host],
        labels: {
          __metrics_path__: `/clusters/${cluster}/metrics`,
          __meta_kcp_cluster: cluster,
          __meta_kcp_workspace_path: path,
        },
      },
    ]);
  });

  it.each(['a b', 'a"b', 'a\\b', 'a/b', 'a@b', 'x'.repeat(300), 'a:b', 'a:123456', '[::1', 'é'])(
    'is asked under a proper host: %s is none',
    async (host) => {
      const { response } = await list('scraper-token', host);
      expect(response.statusCode).toBe(400);
    },
  );

  it('is empty for whom nothing is granted, and for nobody without an identity', async () => {
    const answer = await client.request(target, as('admin-token'));
    expect([answer.status, answer.body]).toEqual([200, '[]']);
    expect((await client.request(target)).status).toBe(401);
    expect((await client.request(target, as('wrong'))).status).toBe(401);
    expect((await client.request(target, as('scraper-token', 'POST'))).status).toBe(405);
    expect((await client.request(target, as('scraper-token', 'HEAD'))).body.length).toBe(0);
    expect((await plainClient.request(target, scraper)).status).toBe(403);
  });

  it('is worked out once for each user until the policy changes, whatever its length', async () => {
    const before = access.workspaces;
    const many = Array.from({ length: 10_000 }, (_, at) => ({
      cluster: `w${at}`,
      granted: { get: at % 2 === 0 ? ['scraper'] : ['mallory'] },
    }));
    access.workspaces = many;
    access.version += 1;
    access.lists = 0;
    const [first, ...others] = await Promise.all(
      ['a', 'b:1', 'b:1'].map(async (host) => (await list('scraper-token', host)).body),
    );
    expect(access.lists).toBe(1);
    const groups = JSON.parse(first ?? '') as { labels: { __meta_kcp_cluster: string } }[];
    expect(groups.map(({ labels }) => labels.__meta_kcp_cluster)).toEqual(
      many.filter(({ granted }) => granted.get.includes('scraper')).map(({ cluster }) => cluster),
    );
    expect(others).toEqual(Array(2).fill(first?.replaceAll('["a"]', '["b:1"]')));
    await list('mallory-token', 'a');
    expect(access.lists).toBe(2);
    access.workspaces = before;
    access.version += 1;
    expect(JSON.parse((await list('scraper-token', 'a')).body)).toHaveLength(1);
  });
});

describe('a filter with metrics of workspaces', () => {
  const listening = async (
    listener: RequestListener,
    run: (port: number) => Promise<void>,
  ): Promise<void> => {
    await run((await listenHttp(listener)).port);
  };

  it('is made of its parts, and of no policy that has none of workspaces', async () => {
    const directory = temporaryDirectory();
    const workspace = (kind: string, name: string, rest: string): string =>
      `apiVersion: rbac.authorization.k8s.io/v1\nkind: ${kind}\n` +
      `metadata: {name: ${name}, annotations: {kcp.io/cluster: 1org}}\n${rest}\n---\n`;
    directory.write(
      'workspaces.yaml',
      workspace(
        'ClusterRole',
        'reader',
        "rules: [{verbs: [access, get], nonResourceURLs: ['/', /metrics]}]",
      ) +
        workspace(
          'ClusterRoleBinding',
          'reader',
          'roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}\n' +
            'subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: scraper}]',
        ),
    );
    const source = directoryPolicySource({
      name: 'workspaces',
      directory: directory.path,
      ofWorkspaces: true,
    });
    const policy = await openPolicy({ sources: [], workspaces: { source, requiresLogicalCluster: false } });
    const rootsAlone = await openPolicy({ sources: [] });
    try {
      const { expositions } = workspaceMetrics;
      const made = { access: workspaceAccess(policy), expositions };
      const app = express().use(metricsFilter(filterOptions({ exposition, workspaceMetrics: made })));
      await listening(app, async (port) => {
        const ask = supertest(`http://127.0.0.1:${port}`);
        const answers = [];
        for (const path of ['/clusters/1org/metrics', '/clusters/2org/metrics']) {
          answers.push(await ask.get(path).set('Authorization', 'Bearer scraper-token'));
        }
        expect(answers.map(({ status, text }) => [status, text === ofOrg])).toEqual([
          [200, true],
          [403, false],
        ]);
      });
      for (const wrong of [rootsAlone, rootsAlone.policy, {}, undefined] as unknown as readonly never[]) {
        expect(() => workspaceAccess(wrong)).toThrow(MetricsFilterOptionError);
      }
    } finally {
      await Promise.all([policy.close(), rootsAlone.close()]);
    }
  });

  it('serves them in an application, and passes on what is the application’s', async () => {
    const app = express();
    app.use(metricsFilter(filterOptions({ exposition, workspaceMetrics })));
    app.use((_request, response) => response.send('application'));
    await listening(app, async (port) => {
      const ask = supertest(`http://127.0.0.1:${port}`);
      const bearer = ['Authorization', 'Bearer scraper-token'] as const;
      expect((await ask.get('/clusters/root:org/metrics').set(...bearer)).text).toBe(ofOrg);
      expect((await ask.get('/http-sd/workspaces').set(...bearer)).body).toHaveLength(1);
      expect((await ask.get('/clusters/root:org/api').set(...bearer)).text).toBe('application');
      expect((await ask.get('/clusters/1org/metrics')).status).toBe(403);
    });
  });

  it('serves none of them where a router has cut the path', async () => {
    const app = express();
    app.use('/x', metricsFilter(filterOptions({ exposition, workspaceMetrics })));
    await listening(app, async (port) => {
      const ask = supertest(`http://127.0.0.1:${port}`);
      for (const path of ['/x/clusters/1org/metrics', '/x/http-sd/workspaces', '/x/metrics']) {
        const answer = await ask.get(path).set('Authorization', 'Bearer scraper-token');
        expect([path, answer.status]).toEqual([path, 501]);
      }
    });
  });

  it.each([
    ['nothing', {}, 'pass { access, expositions'],
    [
      'half an access',
      { ...workspaceMetrics, access: { authorize: () => undefined } },
      'pass { access, expositions',
    ],
    ['an exposition', { access, expositions: exposition }, 'pass { access, expositions'],
  ])('refuses %s', (_, given, message) => {
    const options = filterOptions({ workspaceMetrics: given as unknown as typeof workspaceMetrics });
    expect(() => metricsFilter(options)).toThrow(message);
  });

  it('is none of a cache server', () => {
    expect(() => metricsFilter(filterOptions({ workspaceMetrics, serverKind: 'cache-server' }))).toThrow(
      'workspaceMetrics: leave it out: a cache server has no workspaces',
    );
  });
});
