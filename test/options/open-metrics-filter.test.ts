import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, createServer as createHttp2Server, type Http2Server } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { join } from 'node:path';
import express5 from 'express';
import express4 from 'express4';
import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import {
  MetricsFilterOptionError,
  openMetricsFilter,
  type AuditEvent,
  type OpenMetricsFilter,
  type OpenMetricsFilterOptions,
  type RequestRefusal,
} from '../../src/index.js';
import { listen } from '../support/listening.js';
import { localAuthority } from '../support/local-authority.js';
import { atEnd, closedAtEnd } from '../support/ending.js';
import { registryWith } from '../support/filter.js';
import { keyPairOf, requestOnce } from '../support/raw-tls.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

const soon = { timeout: 10_000, interval: 50 };

const policy = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: reader }
rules: [{ nonResourceURLs: [/metrics], verbs: [get] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: readers }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: Group, name: readers }]
`;
const tokenFile = 'prometheus-token,prometheus,1,readers\nmallory-token,mallory,2\n';

let directory: TemporaryDirectory;
let rbac: TemporaryDirectory;
beforeEach(() => {
  directory = temporaryDirectory();
  rbac = temporaryDirectory();
  rbac.write('policy.yaml', policy);
});
async function opened(options: OpenMetricsFilterOptions = {}): Promise<OpenMetricsFilter> {
  const filter = closedAtEnd(
    await openMetricsFilter({
      registers: [registryWith()],
      tokenAuthFile: directory.write('tokens.csv', tokenFile),
      rbacDir: rbac.path,
      ...options,
    }),
  );
  return filter;
}

const listening = async (server: Server | Http2Server): Promise<number> => (await listen(server)).port;

interface Answer {
  readonly status: number;
  readonly body: string;
}
type Ask = (path: string, token?: string) => Promise<Answer>;

async function overHttp(listener: RequestListener): Promise<Ask> {
  return asking(await listening(createServer(listener)));
}

function asking(port: number): Ask {
  return async (path, token) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
    return { status: answer.status, body: await answer.text() };
  };
}

/** Loaded by name, so that the type checker needs none of them. */
const load = (name: string): Promise<never> => import(name) as Promise<never>;

interface Fastify {
  register(plugin: unknown): Promise<unknown>;
  use(handler: unknown): void;
  get(path: string, handler: () => unknown): void;
  listen(options: object): Promise<string>;
  close(): Promise<void>;
}

const application = 'the application';
const mounted: readonly (readonly [string, (filter: OpenMetricsFilter) => Promise<Ask>])[] = [
  ...(
    [
      ['Express 4', express4],
      ['Express 5', express5],
    ] as const
  ).map(
    ([name, express]) =>
      [
        name,
        async (filter: OpenMetricsFilter) => {
          const app = express();
          app.use(filter);
          app.get('/hello', (_request, response) => {
            response.send(application);
          });
          return overHttp(app);
        },
      ] as const,
  ),
  ['node:http', (filter) => overHttp(filter)],
  [
    'Fastify',
    async (filter) => {
      const { default: fastify } = (await load('fastify')) as { default: () => Fastify };
      const { default: middie } = (await load('@fastify/middie')) as { default: unknown };
      const app = fastify();
      await app.register(middie);
      app.use(filter);
      app.get('/hello', () => application);
      const url = await app.listen({ host: '127.0.0.1', port: 0 });
      atEnd(() => app.close());
      return asking(Number(new URL(url).port));
    },
  ],
  [
    "Hono's node server",
    async (filter) => {
      const { Hono } = (await load('hono')) as {
        Hono: new () => { get(path: string, handler: (context: never) => unknown): void; fetch: unknown };
      };
      const { getRequestListener } = (await load('@hono/node-server')) as {
        getRequestListener: (fetch: unknown) => RequestListener;
      };
      const app = new Hono();
      app.get('/hello', ({ text }: { text: (body: string) => unknown }) => text(application));
      const rest = getRequestListener(app.fetch);
      return overHttp((request, response) => {
        filter(request, response, () => {
          rest(request, response);
        });
      });
    },
  ],
  [
    'node:http2',
    async (filter) => {
      const server = createHttp2Server((request, response) => {
        filter(request as never, response as never, () => {
          response.end(application);
        });
      });
      const session = connect(`http://127.0.0.1:${await listening(server)}`);
      atEnd(() => {
        session.destroy();
      });
      return async (path, token) => {
        const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
        const stream = session.request({ ':path': path, ...authorization });
        const [head] = (await once(stream, 'response')) as [Readonly<Record<string, unknown>>];
        let body = '';
        for await (const chunk of stream) body += String(chunk);
        return { status: Number(head[':status']), body };
      };
    },
  ],
];

describe.each(mounted)('openMetricsFilter in %s', (name, serve) => {
  it('guards /metrics, and leaves the rest to the application', async () => {
    const ask = await serve(await opened());
    const scrape = await ask('/metrics', 'prometheus-token');
    expect(scrape.status).toBe(200);
    expect(scrape.body).toContain('\ndemo_total 3\n');
    expect(scrape.body).toContain('kcp_metrics_filter_');
    expect((await ask('/metrics', 'mallory-token')).status).toBe(403);
    expect((await ask('/metrics', 'nobody-token')).status).toBe(401);
    expect((await ask('/metrics')).status).toBe(403);
    expect(await ask('/clusters/root/metrics')).toEqual({
      status: 501,
      body: 'shard-level endpoint not available at workspace scope\n',
    });
    const hello = await ask('/hello');
    if (name === 'node:http') expect(hello.status).toBe(404);
    else expect(hello).toEqual({ status: 200, body: application });
  });
});

describe('openMetricsFilter', () => {
  it('knows clients of node:https by their certificates', async () => {
    const { authority, serving } = await localAuthority();
    const filter = await opened({ clientCaFile: directory.write('ca.crt', authority.certificatePem) });
    const server = createHttpsServer(
      {
        cert: serving.certificatePem,
        key: serving.privateKeyPem,
        requestCert: true,
        rejectUnauthorized: false,
      },
      filter,
    );
    const port = await listening(server);
    const statusOf = async (organizations?: readonly string[]): Promise<number> => {
      const pair =
        organizations && (await authority.issue({ commonName: 'p', organizations, usage: 'clientAuth' }));
      return (await requestOnce({ port, ...keyPairOf(pair) }, '/metrics')).status;
    };
    expect(await statusOf(['readers'])).toBe(200);
    expect(await statusOf(['others'])).toBe(403);
    expect(await statusOf()).toBe(403);
  });

  it('follows its files', async () => {
    const ask = await overHttp(await opened());
    directory.write('tokens.csv', 'another-token,prometheus,1,readers\n');
    await vi.waitFor(async () => {
      expect((await ask('/metrics', 'another-token')).status).toBe(200);
      expect((await ask('/metrics', 'prometheus-token')).status).toBe(401);
    }, soon);
    rbac.write('policy.yaml', policy.replace('name: readers }]', 'name: writers }]'));
    await expect.poll(async () => (await ask('/metrics', 'another-token')).status, soon).toBe(403);
  });

  it('takes tokens that the program holds, beside a file', async () => {
    const events: AuditEvent[] = [];
    const filter = await opened({
      bearerTokens: [
        { token: 'held-token', user: 'held', groups: ['readers'], uid: '7', extra: { team: ['a'] } },
        { token: 'plain-token', user: 'plain' },
      ],
      onAuditEvent: (event) => events.push(event),
    });
    const ask = await overHttp(filter);
    expect((await ask('/metrics', 'held-token')).status).toBe(200);
    expect((await ask('/metrics', 'plain-token')).status).toBe(403);
    expect((await ask('/metrics', 'prometheus-token')).status).toBe(200);
    await expect.poll(() => events, soon).toHaveLength(3);
    expect(events[0]?.identity).toMatchObject({
      name: 'held',
      uid: '7',
      groups: ['readers', 'system:authenticated'],
      extra: { team: ['a'] },
    });
  });

  it('says of every refusal why, in one of a few texts', async () => {
    const refusals: RequestRefusal[] = [];
    const ask = await overHttp(
      await opened({ anonymousAuth: false, onRefused: (refusal) => refusals.push(refusal) }),
    );
    await ask('/metrics', 'prometheus-token');
    await ask('/metrics?secret=1', 'mallory-token');
    await ask('/metrics', 'unknown-token');
    await ask('/metrics');
    await ask('/clusters/root/metrics');
    await expect.poll(() => refusals, soon).toHaveLength(4);
    expect(refusals.map(({ code, reason, path, user }) => [code, reason, path, user])).toEqual([
      [403, 'forbidden', '/metrics', 'mallory'],
      [401, 'token-file: unknown token', '/metrics', undefined],
      [401, 'no credentials', '/metrics', undefined],
      [501, 'metrics below a scope', '/clusters/root/metrics', undefined],
    ]);
    expect(JSON.stringify(refusals)).not.toMatch(/-token"|secret=/);
  });

  it('limits, compresses and lets pass as the options say', async () => {
    const ask = await overHttp(
      await opened({ ignorePaths: ['/metrics'], maxRequestsPerSecondByAddress: 1, scrapeFreshness: '1s' }),
    );
    const statuses = [];
    for (let sent = 0; sent < 6; sent++) statuses.push((await ask('/metrics')).status);
    expect(statuses).toContain(200);
    const limited = await overHttp(await opened({ maxRequestsPerSecondByIdentity: 1 }));
    const refused = [];
    for (let sent = 0; sent < 6; sent++) refused.push((await limited('/metrics', 'prometheus-token')).status);
    expect(refused).toContain(429);
  });

  it('tells upstreams the parameters that are listed, and no other', async () => {
    const asked: (string | undefined)[] = [];
    const port = await listening(
      createServer((request, response) => {
        asked.push(request.url);
        response.setHeader('Content-Type', 'text/plain; version=0.0.4').end(`up${asked.length} 1\n`);
      }),
    );
    const url = `http://127.0.0.1:${port}`;
    const ask = await overHttp(
      await opened({
        upstream: [`a=${url}/a?fixed=1`, `b=${url}/b`],
        upstreamPassQuery: ['collect[]', 'target'],
        scrapeFreshness: '10m',
      }),
    );
    const scrape = (query: string): Promise<Answer> => ask(`/metrics${query}`, 'prometheus-token');
    const query = '?collect[]=cpu%26x=1&secret=s&target=a%23b&collect%5B%5D=net+work';
    const told = 'collect%5B%5D=cpu%26x%3D1&target=a%23b&collect%5B%5D=net%20work';
    expect((await scrape(query)).status).toBe(200);
    expect(asked.splice(0).sort()).toEqual([`/a?fixed=1&${told}`, `/b?${told}`]);
    // The same again is shared; another value is not.
    expect((await scrape(`${query}&other=1`)).status).toBe(200);
    expect(asked).toEqual([]);
    await scrape('?target=c');
    expect(asked.splice(0).sort()).toEqual(['/a?fixed=1&target=c', '/b?target=c']);
    await scrape('');
    expect(asked.splice(0).sort()).toEqual(['/a?fixed=1', '/b']);
    expect((await scrape('?target=%ff')).status).toBe(400);
    expect((await scrape(`?target=${'a'.repeat(2049)}`)).status).toBe(400);
    expect((await ask('/metrics?target=%ff', 'mallory-token')).status).toBe(403);
    expect(asked).toEqual([]);
  });

  it('serves nothing after it is closed, and lets go of every file and timer', async () => {
    const watchers = new Set<number>();
    const hook = createHook({
      init(id, type) {
        if (type === 'FSEVENTWRAP') watchers.add(id);
      },
      destroy: (id) => watchers.delete(id),
    }).enable();
    const started = vi.spyOn(globalThis, 'setInterval');
    const cleared = vi.spyOn(globalThis, 'clearInterval');
    try {
      const filter = await opened();
      const ask = await overHttp(filter);
      expect((await ask('/metrics', 'prometheus-token')).status).toBe(200);
      expect(filter.ready()).toBe(true);
      const timers = started.mock.results.map(({ value }) => value as unknown);
      expect(timers.length).toBeGreaterThan(0);
      expect(watchers.size).toBeGreaterThan(0);
      await Promise.all([filter.close(), filter.close()]);
      expect(filter.ready()).toBe(false);
      expect((await ask('/metrics', 'prometheus-token')).status).toBe(503);
      expect((await ask('/metrics', 'mallory-token')).status).toBe(403);
      const ended = cleared.mock.calls.map(([timer]) => timer as unknown);
      expect(timers.filter((timer) => !ended.includes(timer))).toEqual([]);
      await expect.poll(() => watchers.size, soon).toBe(0);
    } finally {
      hook.disable();
      vi.restoreAllMocks();
    }
  });

  it('leaves nothing open where it cannot open', async () => {
    const started = vi.spyOn(globalThis, 'setInterval');
    const cleared = vi.spyOn(globalThis, 'clearInterval');
    try {
      await expect(opened({ rbacDir: join(directory.path, 'absent') })).rejects.toMatchObject({
        code: 'ERR_OPTION_RBAC_DIR',
      });
      const ended = cleared.mock.calls.map(([timer]) => timer as unknown);
      expect(started.mock.results.length).toBeGreaterThan(0);
      expect(started.mock.results.filter(({ value }) => !ended.includes(value))).toEqual([]);
    } finally {
      vi.restoreAllMocks();
    }
  });
});

describe('the options of openMetricsFilter', () => {
  const registers = [registryWith()];
  it.each<[string, unknown, RegExp]>([
    ['options', undefined, /^options: pass an object$/],
    ['options', 'rbac', /^options: pass an object$/],
    ['registers', {}, /^registers: pass \[register\] of prom-client, or name an upstream$/],
    ['registers', { registers: [{}] }, /^registers: pass a list of Registries of prom-client$/],
    ['logger', { registers, logger: { warn: () => 1 } }, /^logger: pass a logger with debug, info, warn and/],
    ['onRefused', { registers, onRefused: 'log' }, /^onRefused: pass a function$/],
    ['securePort', { registers, securePort: 6443 }, /^securePort: is of the server that kcp-metrics-filter/],
    ['tlsCertFile', { registers, tlsCertFile: 'x' }, /^tlsCertFile: is of the server/],
    [
      'workspaceMetrics',
      { registers, workspaceMetrics: true },
      /^workspaceMetrics: needs workspaceRbacDir or/,
    ],
    ['workspaceRbacDir', { registers, workspaceRbacDir: '.' }, /^workspaceRbacDir: needs workspaceMetrics$/],
    ['workers', { registers, workers: 2 }, /^workers: is of the server/],
    ['shutdownTimeout', { registers, shutdownTimeout: '1s' }, /^shutdownTimeout: is of the server/],
    ['config', { registers, config: 'x.yaml' }, /^config: is of the server/],
    [
      'tokenAuthFil',
      { registers, tokenAuthFil: 'x' },
      /^tokenAuthFil: unknown option; did you mean tokenAuth/,
    ],
    ['tokenAuthFile', { registers, tokenAuthFile: 7 }, /^tokenAuthFile: must be a string: put it in quotes$/],
    ['tokenAuthFile', { registers, tokenAuthFile: '/absent' }, /^tokenAuthFile: \/absent /],
    ['scrapeDeadline', { registers, scrapeDeadline: 5000 }, /^scrapeDeadline: must be a duration such as/],
    ['mode', { registers, mode: 'server' }, /^mode: "server" is not one of shard, cache-server$/],
    [
      'authorizationOrder',
      { registers, authorizationOrder: ['RBAC', 'X'] },
      /^authorizationOrder: \[1\]: "X" is/,
    ],
    [
      'serviceAccountKeyFile',
      { registers, serviceAccountKeyFile: ['k.pem'] },
      /^serviceAccountKeyFile: needs serviceAccountIssuer$/,
    ],
    ['ignorePaths', { registers, ignorePaths: ['**'] }, /^ignorePaths: /],
    [
      'bearerTokens',
      { registers, bearerTokens: 'secret-token' },
      /^bearerTokens: pass a list of \{ token, user/,
    ],
    ...(
      [
        ['secret-token', /\[0\]: pass \{ token, user \}$/],
        [{ token: '', user: 'a' }, /\[0\]: token: pass printable ASCII/],
        [{ token: 'secret token', user: 'a' }, /\[0\]: token: pass printable ASCII/],
        [{ token: 'secret-token' }, /\[0\]: user: pass a name$/],
        [{ token: 'secret-token', user: 'a', groups: 'g' }, /\[0\]: groups: pass a list of names$/],
        [{ token: 'secret-token', user: 'a', groups: [''] }, /\[0\]: groups: pass a list of names$/],
        [{ token: 'secret-token', user: 'a', uid: 7 }, /\[0\]: uid: pass a string$/],
        [{ token: 'secret-token', user: 'a', extra: { a: 'b' } }, /\[0\]: extra: pass an object of lists/],
        [{ token: 'secret-token', user: 'a', 'secret-token': 1 }, /\[0\]: has a field besides token/],
      ] as const
    ).map(([token, message]): [string, unknown, RegExp] => [
      'bearerTokens',
      { registers, bearerTokens: [token] },
      message,
    ]),
    [
      'bearerTokens',
      { registers, bearerTokens: [1, 2].map(() => ({ token: 'secret-token', user: 'a' })) },
      /\[1\]: token: is given twice$/,
    ],
  ])('%s of %j is refused, by name', async (option, options, message) => {
    const error: unknown = await openMetricsFilter(options as OpenMetricsFilterOptions).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(MetricsFilterOptionError);
    const code = `ERR_OPTION_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
    expect(error).toMatchObject({ option, code, message: expect.stringMatching(message) as string });
    expect(String(error)).not.toMatch(/secret.token|--/);
  });

  it('are refused in one line, whatever they hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.object({ maxDepth: 1 }), fc.anything(), async (options, bearerTokens) => {
        const error: unknown = await openMetricsFilter({
          ...options,
          registers: [],
          bearerTokens,
        } as OpenMetricsFilterOptions).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(MetricsFilterOptionError);
        expect(String(error)).not.toContain('\n');
      }),
      { numRuns: 200 },
    );
  });
});
