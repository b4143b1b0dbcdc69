import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { mkdirSync } from 'node:fs';
import express5 from 'express';
import express4 from 'express4';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  alwaysAllow,
  alwaysAllowPaths,
  authenticate,
  authorize,
  chain,
  classifyPath,
  createPathClassifier,
  guardSteps,
  metricsFilter,
  rbacAuthorizer,
  type Authorizer,
  type Middleware,
} from '../../src/index.js';
import { listenHttp } from '../support/listening.js';
import { filterOptions, policyOf } from '../support/filter.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { words } from '../support/words.js';

/** `scraper` may get /debug/public/* and what is below a scope by its whole path. */
const policy = policyOf([
  {
    kind: 'ClusterRole',
    name: 'reader',
    rules: [
      {
        verbs: ['get'],
        nonResourceURLs: ['/debug/public/*', '/debug/state', '/clusters/root:a/debug/*', '/api/*'],
      },
    ],
  },
  {
    kind: 'ClusterRoleBinding',
    name: 'readers',
    role: 'reader',
    subjects: [{ kind: 'User', name: 'scraper' }],
    replicated: true,
  },
]);
const options = filterOptions({ authorizers: [rbacAuthorizer({ policy })] });
const publicPaths = ['/debug/public/*'];
const everything = ['/*'];
const anybody: Authorizer = { name: 'Anybody', authorize: () => ({ decision: 'allow', reason: '' }) };

/** The target is sent as it stands: an ordinary client would clean it. */
async function ask(
  listener: RequestListener,
  target: string,
  token = 'scraper-token',
): Promise<{ status: number; text: string }> {
  const socket = connect((await listenHttp(listener)).port, '127.0.0.1');
  const credentials = token === '' ? '' : `Authorization: Bearer ${token}\r\n`;
  socket.write(`GET ${target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n${credentials}\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), text };
}

const asked = [authenticate(options), authorize(options)];
const steps = guardSteps(options);
const open = guardSteps({ ...options, anonymous: false, alwaysAllowPaths: publicPaths });
const deciding: readonly (readonly [string, string, readonly Middleware[]])[] = [
  ['authenticate and authorize', 'scraper-token', asked],
  ['the same behind the filter', 'scraper-token', [metricsFilter(options), ...asked]],
  ['steps of a guard', 'scraper-token', [steps.authenticate, steps.authorize]],
  [
    'all steps of a guard',
    'scraper-token',
    [steps.classify, steps.alwaysAllow, steps.authenticate, steps.authorize],
  ],
  ['always-allow of a guard', '', [open.classify, open.alwaysAllow, open.authenticate, open.authorize]],
  [
    'always-allow in a chain',
    '',
    [
      chain([
        classifyPath({ classifier: createPathClassifier({ endpoints: [] }), extent: 'shard-level' }),
        alwaysAllow(publicPaths),
        authenticate({ ...options, anonymous: false }),
        authorize(options),
      ]),
    ],
  ],
  [
    'always-allow as an authorizer',
    '',
    [authenticate(options), authorize({ authorizers: [alwaysAllowPaths(publicPaths)] })],
  ],
];
const frameworks = [
  ['Express 5', express5],
  ['Express 4', express4],
] as const;

describe.each(frameworks)('a prefix that is granted, in front of files in %s', (_name, express) => {
  const files = temporaryDirectory();
  beforeAll(() => {
    for (const folder of ['public', 'private']) mkdirSync(join(files.path, folder));
    files.write('public/file.txt', 'for everybody');
    files.write('public/a b.txt', 'with a blank');
    files.write('public/ä.txt', 'not ASCII');
    files.write('private/file.txt', 'for nobody');
  });
  const served = (guard: readonly Middleware[]): RequestListener =>
    express()
      .use('/debug', ...(guard as [Middleware]))
      .use('/debug', express.static(files.path)) as RequestListener;

  const around = [
    ...words(`
      /debug/public/../private/file.txt /debug/public/%2e%2e/private/file.txt
      /debug/public/%2E%2e/private/file.txt /debug/public/.%2e/private/file.txt
      /debug/public%2f..%2fprivate/file.txt /debug/public/..%2fprivate%2ffile.txt
      /debug/public//../private/file.txt /debug/public/x/../../private/file.txt
      /debug/public/./../private/file.txt /debug/public/%252e%252e/private/file.txt
      /debug/public/..%5cprivate/file.txt /debug/public/..;/private/file.txt
      http://h/debug/public/../private/file.txt /debug/public/..%00/private/file.txt /debug/public//file.txt
    `),
    '/debug/public/..\\private/file.txt',
  ];
  const cases = deciding.flatMap(([guard, token, chained]) =>
    around.map((target) => ({ guard, token, chained, target })),
  );

  it.each(cases)('$target is decided on by nobody: $guard', async ({ token, chained, target }) => {
    const { status, text } = await ask(served(chained), target, token);
    expect(text).not.toMatch(/for (?:nobody|everybody)/);
    expect([307, 400]).toContain(status);
  });

  const within: readonly (readonly [string, string])[] = [
    ['/debug/public/file.txt', 'for everybody'],
    ['/debug/public/file.txt?a=/../b', 'for everybody'],
    ['/debug/public/f%69le.txt', 'for everybody'],
    ['/debug/public/a%20b.txt', 'with a blank'],
    ['/debug/public/%C3%A4.txt', 'not ASCII'],
  ];
  it.each(
    deciding.flatMap(([guard, token, chained]) =>
      within.map(([target, body]) => ({ guard, token, chained, target, body })),
    ),
  )('$target is: $guard', async ({ token, chained, target, body }) => {
    const { status, text } = await ask(served(chained), target, token);
    expect(status).toBe(200);
    expect(text).toContain(body);
  });
});

describe('the redirect to a path that is clean', () => {
  it.each([
    ['/debug//state?a=b&c', '/debug/state?a=b&c'],
    ['/debug/x/../state', '/debug/state'],
    ['/debug/%2e/state', '/debug/state'],
    ['/debug/public/%2e%2e/%61%20b', '/debug/a%20b'],
  ])('of %s is %s', async (target, location) => {
    const app = express5().use('/debug', authenticate(options), authorize(options));
    const { status, text } = await ask(app, target);
    expect(status).toBe(307);
    expect(text).toContain(`\r\nLocation: ${location}\r\n`);
  });
});

describe('what is below a scope', () => {
  const behind: Middleware = (_request, response) => {
    response.end('application');
  };
  const shard = guardSteps({ ...options, authorizers: [anybody], alwaysAllowPaths: everything });
  const alone = [authenticate(options), authorize({ authorizers: [anybody] })];
  const guards: readonly (readonly [string, readonly Middleware[]])[] = [
    ['authorize alone', alone],
    ['authorize behind the filter', [metricsFilter(options), ...alone]],
    ['steps of a guard', [shard.authenticate, shard.authorize]],
    ['all steps of a guard', [shard.classify, shard.alwaysAllow, shard.authenticate, shard.authorize]],
    [
      'always-allow as an authorizer',
      [authenticate(options), authorize({ authorizers: [alwaysAllowPaths(everything)] })],
    ],
  ];
  const targets = [
    ['/clusters/root:org/debug/state', 403],
    ['/clusters/root/debug/state', 403],
    ['/clusters/*/debug/public/x', 403],
    ['/clusters/root', 403],
    ['/clusters/root/', 403],
    ['/clusters/root%2fdebug/state', 403],
    ['/%63lusters/root/debug/state', 403],
    ['/clusters/root/shards/a/debug/state', 403],
    ['/clusters/root:org/version', 403],
    ['/clusters/root:org/metrics', 501],
    ['/clusters/root/metrics/slis', 501],
    ['/clusters/A/debug/state', 400],
    ['/clusters/root//debug/state', 400],
    ['/clusters/root/healthz', 200],
    ['/clusters/root/readyz/ping', 200],
    ['/clusters', 200],
  ] as const;
  it.each(
    guards.flatMap(([guard, chained]) =>
      targets.map(([target, status]) => ({ guard, chained, target, status })),
    ),
  )('$target is $status for $guard', async ({ chained, target, status }) => {
    for (const token of ['admin-token', 'scraper-token']) {
      expect((await ask(express5().use(...(chained as [Middleware]), behind), target, token)).status).toBe(
        status,
      );
    }
  });

  const cache = guardSteps({ ...options, serverKind: 'cache-server', authorizers: [anybody] });
  const ofCacheServers: readonly (readonly [string, readonly Middleware[]])[] = [
    ['authorize alone', alone],
    ['authorize behind the filter', [metricsFilter({ ...options, serverKind: 'cache-server' }), ...alone]],
    ['steps of a guard', [cache.authenticate, cache.authorize]],
  ];
  it.each(
    ofCacheServers.flatMap(([guard, chained]) =>
      [
        ['/shards/a/debug/state', 403],
        ['/shards/a/clusters/root/debug/state', 403],
        ['/services/cache/shards/a/clusters/root/debug/state', 403],
        ['/services/cache/debug/state', 400],
        ['/shards/a/metrics', 501],
        ['/shards/a/clusters/root/metrics', 501],
        ['/services/cache/shards/a/clusters/root/healthz', 200],
        ['/shards/-a/clusters//healthz', 200],
        ['/shards/a/version', 200],
      ].map(([target, status]) => ({ guard, chained, target: String(target), status })),
    ),
  )('of a cache server, $target is $status for $guard', async ({ chained, target, status }) => {
    const app = express5().use(...(chained as [Middleware]), behind);
    expect((await ask(app, target)).status).toBe(status);
  });

  it('is asked for by its whole path where the application says so, and never without its scope', async () => {
    const whole = express5().use(
      metricsFilter(options),
      authenticate(options),
      authorize({ authorizers: options.authorizers, scopedPaths: 'whole' }),
      behind,
    );
    expect((await ask(whole, '/clusters/root:a/debug/x')).status).toBe(200);
    expect((await ask(whole, '/clusters/root:b/debug/state')).status).toBe(403);
    expect((await ask(whole, '/clusters/root:a/debug/%2e%2e/x')).status).toBe(400);
    expect((await ask(whole, '/clusters/root:a/metrics')).status).toBe(501);
    expect(() => authorize({ authorizers: [], scopedPaths: 'root' as never })).toThrow(
      /^scopedPaths: pass 'refuse' or 'whole'$/,
    );
  });
});

describe("an application's paths of resources", () => {
  const app = express5().use(authenticate(options), authorize(options), (_request, response) => {
    response.end('application');
  });
  it.each([
    ['/api', 403],
    ['/api/v1', 200],
    ['/api/v1/', 200],
    ['/api/v1/pods', 403],
    ['/api/v1/namespaces/a/secrets/b', 403],
    ['/api/v1/pods?watch=1', 403],
    ['/api%2fv1%2fpods', 403],
  ])('%s is %s although /api/* is granted', async (target, status) => {
    expect((await ask(app, target)).status).toBe(status);
  });
});
