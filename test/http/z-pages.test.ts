import { createServer, type RequestListener } from 'node:http';
import express5 from 'express';
import express4 from 'express4';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import {
  alwaysAllowGroups,
  chain,
  guardSteps,
  rbacAuthorizer,
  zPages,
  ZPagesOptionError,
  type Middleware,
  type PolicyObject,
  type ServerStatus,
  type ZPagesOptions,
} from '../../src/index.js';
import { filterOptions, policyOf } from '../support/filter.js';

const status: ServerStatus = {
  version: '1.0.0',
  mode: 'shard',
  startedAt: 0,
  authenticators: ['token-file'],
  authorizers: ['RBAC'],
};
const options: ZPagesOptions = {
  component: 'app',
  status: () => status,
  flags: () => [{ name: 'port', value: '80' }],
  paths: ['/metrics'],
};
/** `scraper` may get /statusz alone; `root-admin` all. */
const policy: readonly PolicyObject[] = [
  { kind: 'ClusterRole', name: 'reader', rules: [{ verbs: ['get', 'post'], nonResourceURLs: ['/statusz'] }] },
  {
    kind: 'ClusterRoleBinding',
    name: 'readers',
    role: 'reader',
    subjects: [{ kind: 'User', name: 'scraper' }],
    replicated: true,
  },
];
const steps = guardSteps(
  filterOptions({
    authorizers: [alwaysAllowGroups(['system:masters']), rbacAuthorizer({ policy: policyOf(policy) })],
  }),
  'all',
);
const guard = chain([steps.audit, steps.classify, steps.alwaysAllow, steps.authenticate, steps.authorize]);
const behind: Middleware = (_request, response) => {
  response.statusCode = 418;
  response.end('behind');
};
const served = (pages: ZPagesOptions = options): Middleware => chain([guard, zPages(pages), behind]);
const apps: readonly (readonly [string, RequestListener])[] = [
  ['Express 5', express5().use(served())],
  ['Express 4', express4().use(served())],
  [
    'a bare server',
    (incoming, response) => {
      served()(incoming, response, () => undefined);
    },
  ],
];
const ask = (app: RequestListener, path: string, token = 'admin-token', accept = '*/*') =>
  request(app).get(path).set('Authorization', `Bearer ${token}`).set('Accept', accept);
const app = express5().use(served());

describe.each(apps)('in %s', (_name, listener) => {
  it('each page is served to whoever may read its path', async () => {
    const answers = await Promise.all(
      ['/statusz', '/flagz', '/'].map(async (path) => [
        (await ask(listener, path)).status,
        (await ask(listener, path, 'scraper-token')).status,
        (await ask(listener, path, 'mallory-token')).status,
        (await ask(listener, path, 'no-such-token')).status,
      ]),
    );
    expect(answers).toEqual([
      [200, 200, 403, 401],
      [200, 403, 403, 401],
      [200, 403, 403, 401],
    ]);
  });

  it.each(['/clusters/root/statusz', '/clusters/*/flagz', '/clusters/root/', '/clusters/root'])(
    '%s is below a scope, and decided by nobody',
    async (path) => {
      expect((await ask(listener, path)).status).toBe(403);
    },
  );

  it.each(['/statusz/', '/STATUSZ', '/statusz/x', '/flagzz', '/version'])(
    '%s is none of them',
    async (path) => {
      const { status: code, text } = await ask(listener, path);
      expect([code, text]).toEqual([418, 'behind']);
    },
  );
});

describe('a page', () => {
  it.each([
    ['/statusz', '*/*', 'text/plain; charset=utf-8'],
    ['/statusz', 'text/html,*/*;q=0.8', 'text/html; charset=utf-8'],
    ['/flagz', 'application/json', 'text/plain; charset=utf-8'],
    ['/flagz', 'text/html', 'text/html; charset=utf-8'],
    ['/', '*/*', 'application/json'],
    ['/', 'text/html', 'text/html; charset=utf-8'],
  ])('%s for %s is %s, never stored, never guessed at', async (path, accept, contentType) => {
    const { headers, text } = await ask(app, path, 'admin-token', accept);
    expect(headers).toMatchObject({
      'content-type': contentType,
      'cache-control': 'no-cache, private',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      vary: 'Accept',
      'content-length': String(Buffer.byteLength(text)),
    });
    expect(headers['content-security-policy'] ?? '').toMatch(
      contentType.startsWith('text/html') ? /^default-src 'none'; style-src 'sha256-/ : /^$/,
    );
  });

  it('has the same head and no body for HEAD', async () => {
    const path = '/statusz';
    const get = await ask(app, path);
    const head = await request(app).head(path).set('Authorization', 'Bearer admin-token');
    expect([head.status, head.text]).toEqual([200, undefined]);
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
  });

  it.each(['post', 'put', 'patch', 'delete', 'options'] as const)('is 405 for %s', async (method) => {
    const answer = await request(app)[method]('/statusz').set('Authorization', 'Bearer admin-token');
    expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, HEAD']);
    const stranger = await request(app)[method]('/statusz').set('Authorization', 'Bearer mallory-token');
    expect(stranger.status).toBe(403);
  });

  it('is of the path the client sent: a router that cuts a scope off makes none', async () => {
    const cut = express5().use('/clusters/root', (incoming, response, next) => {
      served()(incoming, response, next);
    });
    expect((await ask(cut, '/clusters/root/statusz')).status).toBe(403);
  });

  it('is 401 where nothing has authorized it', async () => {
    const open = express5().use(chain([steps.classify, zPages(options)]));
    expect((await request(open).get('/statusz')).status).toBe(401);
    const unclassified = express5().use(chain([zPages(options), behind]));
    expect((await request(unclassified).get('/statusz')).status).toBe(418);
  });

  it('is 500 without a word of why where its source fails, and the process lives', async () => {
    const failing = zPages({
      ...options,
      status: () => {
        throw new RangeError('secret');
      },
      flags: () => 1 as never,
    });
    const server = createServer((incoming, response) => {
      chain([guard, failing])(incoming, response, () => undefined);
    });
    for (const path of ['/statusz', '/flagz']) {
      const { status: code, text } = await ask(server as never, path);
      expect(code).toBe(500);
      expect(text).not.toContain('secret');
    }
  });

  it('of flags is not there where none are told of', async () => {
    const { component, status: of, paths } = options;
    const without = express5().use(
      served({ ...(component === undefined ? {} : { component }), status: of, paths }),
    );
    expect((await ask(without, '/flagz')).status).toBe(418);
    expect((await ask(without, '/')).text).not.toContain('flagz');
  });
});

describe('an option that cannot be used is named', () => {
  it.each<[object | null, string]>([
    [null, 'options: pass an object'],
    [{ ...options, colour: 'red' }, 'colour: is no option of zPages'],
    [{ ...options, status: undefined }, 'status: pass a function'],
    [{ ...options, flags: [] }, 'flags: pass a function'],
    [{ ...options, paths: '/metrics' }, 'paths: pass a list of strings'],
    [{ ...options, paths: [1] }, 'paths: pass a list of strings'],
    [{ ...options, component: 1 }, 'component: pass a string'],
  ])('%j: %s', (given, message) => {
    const make = (): Middleware => zPages(given as never);
    expect(make).toThrow(ZPagesOptionError);
    expect(make).toThrow(message);
  });
});
