import { createServer as createHttpsServer } from 'node:https';
import type { RequestListener } from 'node:http';
import express5 from 'express';
import express4 from 'express4';
import { Registry } from 'prom-client';
import request from 'supertest';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  chain,
  authenticate,
  authorize,
  FilterMetrics,
  metricsFilter,
  MetricsFilterOptionError,
  PolicyUnavailableError,
  Policy,
  rbacAuthorizer,
  type AuditEvent,
  type MetricsFilterOptions,
} from '../../src/index.js';
import { requestState } from '../../src/request/middleware.js';
import { listen, type Listening } from '../support/listening.js';
import { localAuthority } from '../support/local-authority.js';
import { filterOptions } from '../support/filter.js';
import { RawClient, requestOnce } from '../support/raw-tls.js';
import { words } from '../support/words.js';

const versions = [
  ['Express 4', express4],
  ['Express 5', express5],
] as const;

const bearer = (token: string): readonly [string, string] => ['Authorization', `Bearer ${token}`];
const getAs = (listener: RequestListener, token: string, path = '/metrics') =>
  request(listener)
    .get(path)
    .set(...bearer(token));
const unguarded = 'unguarded metrics';

describe.each(versions)('metricsFilter mounted in %s', (_, express) => {
  /** An application as people write them: parsers in front, a route of its own on the guarded path. */
  function application(
    overrides: Partial<MetricsFilterOptions> = {},
    router = express.Router(),
  ): RequestListener {
    const app = express();
    app.use(express.json());
    app.use(express.urlencoded({ extended: true }));
    app.use(metricsFilter(filterOptions(overrides)));
    router.get('/metrics', (_request, response) => {
      response.send(unguarded);
    });
    router.use('/metrics', (_request, response) => {
      response.send(unguarded);
    });
    router.get('/api/v1/hello', (_request, response) => {
      response.json({ hello: 'world' });
    });
    app.use(router);
    return app;
  }

  it('serves the exposition to whoever is granted it', async () => {
    const answer = await getAs(application(), 'scraper-token');
    expect(answer.status).toBe(200);
    expect(answer.text).toBe('# HELP demo_total A counter.\n# TYPE demo_total counter\ndemo_total 3\n');
    expect(answer.headers['content-type']).toBe(
      'text/plain; version=0.0.4; charset=utf-8; escaping=underscores',
    );
    expect(answer.headers['cache-control']).toBe('no-cache, private');
    expect(Number(answer.headers['process-start-time-unix'])).toBeGreaterThan(1_700_000_000);
    expect(answer.headers['audit-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    [
      'nobody',
      undefined,
      403,
      'forbidden: User "system:anonymous" cannot get path "/metrics": access denied',
    ],
    [
      'somebody without a grant',
      'mallory-token',
      403,
      'forbidden: User "mallory" cannot get path "/metrics": access denied',
    ],
    ['a bad token', 'nope', 401, 'Unauthorized'],
  ])('refuses %s', async (_who, token, status, message) => {
    const pending = request(application()).get('/metrics');
    const answer = await (token === undefined ? pending : pending.set(...bearer(token)));
    expect(answer.status).toBe(status);
    expect((answer.body as { message: string }).message).toBe(message);
  });

  it('answers 405 to an allowed method it does not serve, and 403 before that', async () => {
    const app = application();
    const allowed = await request(app)
      .post('/metrics')
      .send({ a: 1 })
      .set(...bearer('admin-token'));
    expect([allowed.status, allowed.headers['allow']]).toEqual([405, 'GET, HEAD']);
    const denied = await request(app)
      .delete('/metrics')
      .set(...bearer('scraper-token'));
    expect(denied.status).toBe(403);
  });

  it('answers HEAD without a body, and authorizes it by its own verb', async () => {
    const app = application();
    const allowed = await request(app)
      .head('/metrics')
      .set(...bearer('admin-token'));
    expect([allowed.status, allowed.text]).toEqual([200, undefined]);
    const denied = await request(app)
      .head('/metrics')
      .set(...bearer('scraper-token'));
    expect(denied.status).toBe(403);
  });

  it('passes every other request on untouched', async () => {
    const answer = await getAs(application(), 'nope', '/api/v1/hello?x=1');
    expect([answer.status, answer.body]).toEqual([200, { hello: 'world' }]);
    expect(answer.headers['audit-id']).toBeUndefined();
  });

  it('indents a Status for curl, as kube-apiserver does', async () => {
    const answer = await request(application()).get('/metrics').set('User-Agent', 'curl/8.0');
    expect(answer.text).toContain('{\n  "kind": "Status",\n  "apiVersion": "v1",\n  "metadata": {},\n');
  });

  it('refuses impersonation rather than ignoring it', async () => {
    const answer = await request(application())
      .get('/metrics')
      .set(...bearer('admin-token'))
      .set('Impersonate-User', 'mallory');
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('impersonation is not served');
  });

  it('answers 503 with Retry-After until the policy is loaded', async () => {
    const policy = new Policy({ layers: ['root'] });
    const app = application({ authorizers: [rbacAuthorizer({ policy })] });
    const syncing = await getAs(app, 'scraper-token');
    expect([syncing.status, syncing.headers['retry-after']]).toEqual([503, '1']);
    expect((syncing.body as { reason: string }).reason).toBe('ServiceUnavailable');
    policy.sink('root').replace([]);
    expect((await getAs(app, 'scraper-token')).status).toBe(403);
  });

  it('answers 500 with no more than the class of a failing authorizer', async () => {
    class ReviewFailed extends Error {}
    const failing = {
      name: 'Failing',
      authorize: () => Promise.reject(new ReviewFailed('secret-in-message')),
    };
    const answer = await request(application({ authorizers: [failing] })).get('/metrics?a=b');
    expect(answer.status).toBe(500);
    expect(answer.text).toBe('Internal Server Error: "/metrics?a=b": ReviewFailed\n');
  });

  it('takes an authenticator and an authorizer of the application', async () => {
    const app = application({
      authenticators: [
        {
          name: 'cookie',
          authenticate: ({ headers }) =>
            headers['cookie']?.[0] === 'session=1'
              ? { kind: 'authenticated', identity: { name: 'carol', groups: [], extra: {} } }
              : { kind: 'none' },
        },
      ],
      authorizers: [
        {
          name: 'carol-only',
          authorize: ({ identity }) => ({
            decision:
              identity.name === 'carol' && identity.groups.includes('system:authenticated')
                ? 'allow'
                : 'deny',
            reason: 'by name',
          }),
        },
      ],
    });
    expect((await request(app).get('/metrics').set('Cookie', 'session=1')).status).toBe(200);
    expect((await request(app).get('/metrics')).status).toBe(403);
  });

  it('guards other paths of the application with the same steps', async () => {
    const options = filterOptions();
    const app = express();
    app.use(metricsFilter(options));
    app.use('/debug', chain([authenticate(options), authorize(options)]), (_request, response) => {
      response.send('state');
    });
    const listener = app as unknown as RequestListener;
    expect((await getAs(listener, 'scraper-token', '/debug/state')).text).toBe('state');
    const refused = await getAs(listener, 'mallory-token', '/debug/state');
    expect((refused.body as { message: string }).message).toBe(
      'forbidden: User "mallory" cannot get path "/debug/state"',
    );
    expect((await getAs(listener, 'nope', '/debug/state')).status).toBe(401);
  });

  it('lets a scoped endpoint answer in place of the 501', async () => {
    const app = application({
      scopedEndpoint: (request_, response) => {
        const { classification } = requestState(request_);
        response.end(JSON.stringify(classification));
      },
    });
    expect((await request(app).get('/clusters/root:org/metrics')).text).toBe(
      '{"kind":"scoped-shard-level","scope":{"cluster":"root:org"},"path":"/metrics"}',
    );
  });

  it('writes one audit event for each decided or rejected request, and none for others', async () => {
    const events: AuditEvent[] = [];
    const app = application({ onAuditEvent: (event) => events.push(event) });
    const answers = [
      await getAs(app, 'scraper-token', '/metrics?token=in-query'),
      await getAs(app, 'mallory-token'),
      await getAs(app, 'nope'),
      await request(app).get('/clusters/root/metrics'),
      await request(app).get('/api/v1/hello'),
    ];
    expect(events.map(({ auditId }) => auditId)).toEqual(
      answers.slice(0, 4).map(({ headers }) => (headers as Record<string, string>)['audit-id']),
    );
    const decided = (decision: string, reason: string): object => ({
      'authorization.k8s.io/decision': decision,
      'authorization.k8s.io/reason': reason,
    });
    const granted =
      'RBAC: allowed by ClusterRoleBinding "scrapers" of ClusterRole "reader" to User "scraper"';
    const rejected = 'shard-level endpoint not available at workspace scope';
    expect(
      events.map((event) => [event.code, event.verb, event.path, event.identity?.name, event.annotations]),
    ).toEqual([
      [200, 'get', '/metrics', 'scraper', decided('allow', granted)],
      [403, 'get', '/metrics', 'mallory', decided('forbid', '')],
      [401, 'get', '/metrics', undefined, {}],
      [501, 'get', '/clusters/root/metrics', undefined, { 'shardpaths.kcp.io/rejected': rejected }],
    ]);
    expect(events[2]?.refusals).toEqual([{ authenticator: 'token-file', reason: 'unknown token' }]);
    expect(JSON.stringify(events)).not.toMatch(/nope|in-query|scraper-token/);
  });

  it('counts what it does in fixed words', async () => {
    const registry = new Registry();
    const app = application({ telemetry: new FilterMetrics(registry) });
    await getAs(app, 'scraper-token');
    await getAs(app, 'nope');
    await getAs(app, 'mallory-token');
    await request(app).get('/clusters/root/metrics');
    const text = await registry.metrics();
    expect(text).toContain('authentication_attempts{result="success"} 2');
    expect(text).toContain('authentication_attempts{result="error"} 1');
    expect(text).toContain(
      'apiserver_authorization_decisions_total{type="RBAC",name="rbac",decision="allowed"} 1',
    );
    expect(text).toContain('kcp_metrics_filter_rejected_requests_total{code="501"} 1');
    expect(text).toContain('kcp_metrics_filter_forbidden_requests_total 1');
    expect(text).not.toMatch(/scraper|nope|mallory/);
  });

  const failing = {
    name: 'Failing',
    authorize: () => {
      throw new Error('down');
    },
  };
  const ofRbac = 'apiserver_authorization_decisions_total{type="RBAC",name="rbac",decision="allowed"} 1';
  const known = [
    'authentication_attempts{result="success"} 1',
    'authenticated_user_requests{username="other"} 1',
  ];
  const attempted = (result: string): string => `authorization_attempts_total{result="${result}"} 1`;
  const failure = 'authentication_attempts{result="failure"} 1';
  it.each<[who: string, token: string, overrides: Partial<MetricsFilterOptions>, told: readonly string[]]>([
    ['a grant', 'Bearer scraper-token', {}, [...known, attempted('allowed'), ofRbac]],
    ['system:masters, which none decides on', 'Bearer admin-token', {}, [...known, attempted('allowed')]],
    ['no grant', 'Bearer mallory-token', {}, [...known, attempted('no-opinion')]],
    ['one that fails', 'Bearer mallory-token', { authorizers: [failing] }, [...known, attempted('error')]],
    ['no credentials', '', { anonymous: false }, [failure]],
    ['another scheme', 'Basic YTpi', { anonymous: false }, [failure]],
    ['a bad token', 'Bearer nope', {}, ['authentication_attempts{result="error"} 1']],
    ['an always-allowed path', 'Bearer nope', { alwaysAllowPaths: ['/metrics'] }, [attempted('allowed')]],
  ])('counts a request with %s as Kubernetes does', async (_who, authorization, overrides, told) => {
    const registry = new Registry();
    const app = application({ ...overrides, telemetry: new FilterMetrics(registry) });
    await request(app).get('/metrics').set('Authorization', authorization);
    const kubernetes = /^(?:authenticat|authoriz|apiserver_)\w+(?<!_bucket|_sum|_seconds_count)\{.*$/gm;
    expect((await registry.metrics()).match(kubernetes)?.toSorted()).toEqual(told.toSorted());
  });

  describe('with a route on /metrics beside it, over raw TLS', () => {
    const servers = new Map<string, Listening>();
    const routers = {
      'a default router': express.Router(),
      'a case-sensitive strict router': express.Router({ caseSensitive: true, strict: true }),
    };
    beforeAll(async () => {
      const { serving: pair } = await localAuthority();
      for (const [name, router] of Object.entries(routers)) {
        const server = createHttpsServer(
          { cert: pair.certificatePem, key: pair.privateKeyPem },
          application({}, router),
        );
        servers.set(name, await listen(server));
      }
    });

    const around = [
      ...words(`
        /metrics /METRICS /Metrics /metrics/ //metrics /metrics// /./metrics /a/../metrics
        /metrics?_scheme=https /metrics#a /metrics;a=b /metrics/. /metrics/x /metrics/slis /%6detrics
        /%256detrics /metrics%2f /metrics%20 /metrics%00 /metrics%3Fx http://localhost/metrics
        HTTP://localhost/METRICS/ http://user@localhost:1/metrics#a https://localhost//metrics http:/metrics
        http:metrics /clusters/root/metrics /clusters/root/METRICS/
      `),
      '/\\metrics',
      '\\metrics',
      'http:\\\\localhost\\metrics',
    ];
    const cases = Object.keys(routers).flatMap((router) => around.map((target) => ({ router, target })));

    it.each(cases)('$target does not get around the guard to $router', async ({ router, target }) => {
      const { status, body } = await requestOnce({ port: servers.get(router)?.port ?? 0 }, target);
      expect(body).not.toContain(unguarded);
      expect(body).not.toContain('# HELP');
      expect(status).toBeGreaterThanOrEqual(300);
    });

    it('serves the one path to whoever is granted it, in every spelling that is canonical once decoded', async () => {
      const client = new RawClient({ port: servers.get('a default router')?.port ?? 0 });
      for (const target of ['/metrics', '/metrics?_scheme=https', '/%6detrics', 'http://localhost/metrics']) {
        const answer = await client.request(target, { headers: { Authorization: 'Bearer scraper-token' } });
        expect({ target, status: answer.status }).toEqual({ target, status: 200 });
      }
    });
  });

  it('takes a URL that a middleware rewrote to /metrics for a scoped request', async () => {
    const app = express();
    app.use((request_, _response, next) => {
      if (request_.url.startsWith('/tenants/')) request_.url = request_.url.replace(/^\/tenants\/[^/]*/, '');
      next();
    });
    app.use(metricsFilter(filterOptions()));
    app.get('/metrics', (_request, response) => {
      response.send(unguarded);
    });
    const answer = await getAs(app, 'admin-token', '/tenants/a/metrics');
    expect([answer.status, answer.text]).toEqual([
      501,
      'shard-level endpoint not available at workspace scope\n',
    ]);
  });
});

describe('metricsFilter checks its options once, when it is made', () => {
  const bad: readonly [string, string, unknown][] = [
    ['exposition', 'ERR_OPTION_EXPOSITION', undefined],
    ['exposition', 'ERR_OPTION_EXPOSITION', new Registry()],
    ['authenticators', 'ERR_OPTION_AUTHENTICATORS', undefined],
    ['authenticators', 'ERR_OPTION_AUTHENTICATORS', [{ name: 'x' }]],
    ['authorizers', 'ERR_OPTION_AUTHORIZERS', {}],
    ['authorizers', 'ERR_OPTION_AUTHORIZERS', [null]],
    ['anonymous', 'ERR_OPTION_ANONYMOUS', 'yes'],
    ['serverKind', 'ERR_OPTION_SERVER_KIND', 'front-proxy'],
    ['scopedEndpoint', 'ERR_OPTION_SCOPED_ENDPOINT', '/x'],
    ['scrapeWriteTimeoutMs', 'ERR_OPTION_SCRAPE_WRITE_TIMEOUT_MS', 0],
    ['scrapeDeadlineMs', 'ERR_OPTION_SCRAPE_DEADLINE_MS', -1],
    ['scrapeDeadlineMs', 'ERR_OPTION_SCRAPE_DEADLINE_MS', '5m'],
    ['onAuditEvent', 'ERR_OPTION_ON_AUDIT_EVENT', {}],
    ['telemetry', 'ERR_OPTION_TELEMETRY', {}],
    ['authenticator', 'ERR_OPTION_AUTHENTICATOR', []],
  ];
  it.each(bad)('%s → %s', (option, code, value) => {
    let thrown: unknown;
    try {
      metricsFilter({ ...filterOptions(), [option]: value });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(MetricsFilterOptionError);
    expect(thrown).toMatchObject({ code, option });
    expect((thrown as Error).message.startsWith(`${option}: `)).toBe(true);
  });

  it('and says so of no options at all', () => {
    expect(() => metricsFilter(undefined as unknown as MetricsFilterOptions)).toThrow(
      MetricsFilterOptionError,
    );
  });

  it('and returns a handler with a name', () => {
    expect(metricsFilter(filterOptions()).name).toBe('metricsFilter');
    expect(new PolicyUnavailableError('x').code).toBe('ERR_POLICY_UNAVAILABLE');
  });
});
