import { createServer, type RequestListener } from 'node:http';
import { connect } from 'node:net';
import express5 from 'express';
import express4 from 'express4';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import {
  guardSteps,
  metricsFilter,
  MetricsFilterOptionError,
  type AuditEvent,
  type Authenticator,
  type Authorizer,
  type Exposition,
  type MetricsFilterOptions,
} from '../../src/index.js';
import { listen, type Listening } from '../support/listening.js';
import { filterOptions } from '../support/filter.js';

const bearer = ['Authorization', 'Bearer scraper-token'] as const;
const scrape = (listener: RequestListener) =>
  request(listener)
    .get('/metrics')
    .set(...bearer);
const appOf = (overrides: Partial<MetricsFilterOptions>): RequestListener => {
  const app = express5();
  app.use(metricsFilter(filterOptions(overrides)));
  return app;
};
/** What the types forbid and an application in JavaScript may do all the same. */
const untyped = (value: unknown): never => value as never;

describe('whatever a part of the application does, a request gets an answer and the process lives', () => {
  const contentType = 'text/plain';
  it.each(
    Object.entries<Exposition['render']>({
      'render throws at once': () => {
        throw new RangeError('secret');
      },
      'render rejects': () => Promise.reject(new RangeError('secret')),
      'render returns nothing': untyped(() => undefined),
      'the body is missing': () => Promise.resolve(untyped({ contentType })),
      'the content type is missing': () => Promise.resolve(untyped({ body: 'a' })),
    }),
  )('%s', async (_name, render) => {
    const answer = await scrape(appOf({ exposition: { contentType: () => contentType, render } }));
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('secret');
  });

  it('contentType throws for HEAD', async () => {
    const exposition: Exposition = {
      contentType: () => {
        throw new RangeError('secret');
      },
      render: () => Promise.resolve({ contentType, body: '' }),
    };
    const answer = await request(appOf({ exposition }))
      .head('/metrics')
      .set('Authorization', 'Bearer admin-token');
    expect(answer.status).toBe(500);
  });

  it.each(['authenticator', 'authorizer', 'exposition'])(
    'a timeout in front answers while the %s is pending',
    async (pending) => {
      let release: () => void = () => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      const slow: Partial<MetricsFilterOptions> = {
        ...(pending === 'authenticator' && {
          authenticators: [
            { name: 'slow', authenticate: () => released.then(() => ({ kind: 'none' as const })) },
          ],
          anonymous: false,
        }),
        ...(pending === 'authorizer' && {
          authorizers: [
            {
              name: 'slow',
              authorize: () => released.then(() => ({ decision: 'deny' as const, reason: '' })),
            },
          ],
        }),
        ...(pending === 'exposition' && {
          exposition: {
            contentType: () => contentType,
            render: () => released.then(() => ({ contentType, body: 'late' })),
          },
        }),
      };
      const app = express5();
      let closed: Promise<unknown> = Promise.resolve();
      app.use((_request, response, next) => {
        closed = new Promise((resolve) => response.once('close', resolve));
        setImmediate(() => response.status(503).end('timeout'));
        next();
      });
      app.use(metricsFilter(filterOptions(slow)));
      const answer = await scrape(app);
      await closed;
      release();
      await new Promise((resolve) => setImmediate(resolve));
      expect([answer.status, answer.text]).toEqual([503, 'timeout']);
    },
  );

  it('an audit sink throws', async () => {
    const warned = new Promise((resolve) => process.once('warning', resolve));
    const onAuditEvent = (): void => {
      throw new RangeError('secret');
    };
    expect((await scrape(appOf({ onAuditEvent }))).status).toBe(200);
    expect(String(await warned)).toBe('Warning: a listener of metricsFilter failed with RangeError');
  });
});

describe('an authenticator or authorizer of the application is never understood for better', () => {
  const thenable = (value: unknown): unknown => ({
    then: (resolve: (result: unknown) => void) => {
      resolve(value);
    },
  });
  const answers: readonly (readonly [string, unknown])[] = [
    ['a refusal in a promise of another kind', thenable({ kind: 'refused', reason: 'no' })],
    ['a word that does not exist', { kind: 'denied' }],
    ['nothing', undefined],
    ['null', null],
    ['true', true],
  ];
  it.each(answers)('an authenticator answers %s: 401, not anonymous', async (_name, answer) => {
    const authenticators = [{ name: 'own', authenticate: () => answer }] as unknown as Authenticator[];
    const everything: Authorizer = { name: 'all', authorize: () => ({ decision: 'allow', reason: '' }) };
    const got = await request(appOf({ authenticators, authorizers: [everything], anonymous: true })).get(
      '/metrics',
    );
    expect(got.status).toBe(401);
  });

  it.each([
    ['an allowance in a promise of another kind', thenable({ decision: 'allow', reason: '' }), 200],
    ['a word that does not exist', { decision: 'yes', reason: '' }, 403],
    ['nothing', undefined, 500],
    ['true', true, 403],
  ])('an authorizer answers %s', async (_name, answer, status) => {
    const authorizers = [{ name: 'own', authorize: () => answer }] as unknown as Authorizer[];
    expect((await scrape(appOf({ authorizers }))).status).toBe(status);
  });
});

describe('always-allow paths', () => {
  it('pass before anyone is asked, also with a stale token and without anonymous', async () => {
    const events: AuditEvent[] = [];
    const app = appOf({
      alwaysAllowPaths: ['/metrics'],
      anonymous: false,
      onAuditEvent: (event) => events.push(event),
    });
    expect((await request(app).get('/metrics')).status).toBe(200);
    expect((await request(app).get('/metrics').set('Authorization', 'Bearer nope')).status).toBe(200);
    expect((await request(app).get('/metrics/slis')).status).toBe(401);
    expect(events.map(({ annotations }) => annotations['authorization.k8s.io/reason'])).toEqual([
      'always allowed path',
      'always allowed path',
      undefined,
    ]);
  });

  it('never pass a scoped path', async () => {
    expect((await request(appOf({ alwaysAllowPaths: ['*'] })).get('/clusters/root/metrics')).status).toBe(
      501,
    );
  });

  it.each([[['/met*rics']], ['/metrics'], [[1]]])(
    '%j is refused when the filter is made',
    (alwaysAllowPaths) => {
      expect(() => metricsFilter(filterOptions({ alwaysAllowPaths: untyped(alwaysAllowPaths) }))).toThrow(
        MetricsFilterOptionError,
      );
    },
  );
});

describe('the steps, composed by an application', () => {
  it('serve no exposition where another path was decided on', async () => {
    const app = express5();
    const steps = guardSteps(filterOptions({ alwaysAllowPaths: ['/healthz'] }), 'all');
    app.use(steps.classify, steps.alwaysAllow, steps.authenticate, steps.authorize, steps.serve);
    app.use((_request, response) => {
      response.send('application');
    });
    const listener = app as unknown as RequestListener;
    expect((await request(listener).get('/metrics')).status).toBe(403);
    expect((await request(listener).get('/healthz')).text).toBe('application');
    expect((await request(listener).get('/clusters/a/healthz')).text).toBe('application');
  });

  it('are made of checked options alone', () => {
    expect(() => guardSteps(untyped({ ...filterOptions(), anonymous: 'false' }))).toThrow(
      MetricsFilterOptionError,
    );
    expect(() => guardSteps(untyped({ ...filterOptions(), onAuditEvnt: () => undefined }))).toThrow(
      MetricsFilterOptionError,
    );
  });
});

describe.each([
  ['Express 4', express4],
  ['Express 5', express5],
] as const)('in %s, behind what rewrites or cuts a URL', (_version, express) => {
  function rewriting(): RequestListener {
    const app = express();
    app.use((request_, _response, next) => {
      request_.url = request_.url.replace(/^\/+api(?=\/)/, '');
      next();
    });
    app.use(metricsFilter(filterOptions()));
    app.get('/metrics', (_request, response) => {
      response.send('unguarded');
    });
    app.use((_request, response) => {
      response.send('application');
    });
    return app;
  }
  it.each([
    '/api/metrics',
    '/api/METRICS',
    '//api/metrics',
    '/api//metrics',
    '/api/metrics/',
    '/api/clusters/root/metrics',
  ])('%s reaches no route on /metrics', async (target) => {
    const answer = await request(rewriting()).get(target).set('Authorization', 'Bearer admin-token');
    expect(answer.text).not.toMatch(/unguarded|application|# HELP/);
    expect(answer.status).toBeGreaterThan(300);
  });

  it('every other path still reaches the application', async () => {
    expect((await request(rewriting()).get('/api/v1/hello')).text).toBe('application');
  });

  it('mounted below a prefix, the filter refuses what looks like /metrics there', async () => {
    const app = express();
    app.use('/internal', metricsFilter(filterOptions()));
    app.get('/internal/metrics', (_request, response) => {
      response.send('unguarded');
    });
    app.get('/internal/state', (_request, response) => {
      response.send('application');
    });
    const listener = app as unknown as RequestListener;
    expect(
      (await request(listener).get('/internal/metrics').set('Authorization', 'Bearer admin-token')).status,
    ).toBe(501);
    expect((await request(listener).get('/internal/METRICS')).status).toBe(404);
    expect((await request(listener).get('/internal/state')).text).toBe('application');
  });
});

describe('over a bare http.Server', () => {
  function serve(
    filter: ReturnType<typeof metricsFilter>,
    maxHeadersCount: number | null = null,
  ): Promise<Listening> {
    const server = createServer((request_, response) => {
      filter(request_, response, () => {
        // As a modern proxy or handler reads the target.
        response.end(`application ${new URL(request_.url ?? '/', 'http://h').pathname}`);
      });
    });
    server.maxHeadersCount = maxHeadersCount;
    return listen(server);
  }
  function send({ port }: Listening, text: string): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      let received = '';
      socket.on('data', (data: Buffer) => {
        received += data.toString();
      });
      socket.on('close', () => {
        resolve(received);
      });
      socket.write(text);
    });
  }

  it.each([
    '//x/metrics',
    '/\\x/metrics',
    '/\\\\x/metrics',
    '///x/metrics',
    '\\\\x/metrics',
    '/x/..//metrics',
    '/\t/x/metrics',
  ])('%j is not passed on to a reader for whom it is /metrics', async (target) => {
    const answer = await send(
      await serve(metricsFilter(filterOptions())),
      `GET ${target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).not.toContain('application /metrics');
    expect(answer).not.toContain('# HELP');
  });

  it('refuses more header fields than its server keeps, rather than lose a scope or an impersonation', async () => {
    const server = await serve(metricsFilter(filterOptions()), 50);
    const ask = (junk: number): Promise<string> =>
      send(
        server,
        `GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer admin-token\r\n${'a: b\r\n'.repeat(junk)}Impersonate-User: mallory\r\n\r\n`,
      );
    expect(await ask(0)).toMatch(/^HTTP\/1\.1 403 /);
    expect(await ask(50)).toMatch(/^HTTP\/1\.1 431 /);
  });

  it.each([
    '/%zz?access_token=secret',
    '/metrics%3faccess_token=secret',
    '*?access_token=secret',
    '/%zz#secret',
  ])('keeps the query of %s out of the audit event', async (target) => {
    const events: AuditEvent[] = [];
    const server = await serve(metricsFilter(filterOptions({ onAuditEvent: (event) => events.push(event) })));
    await send(server, `GET ${target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
    expect(events).toHaveLength(1);
    expect(JSON.stringify(events)).not.toContain('secret');
  });
});
