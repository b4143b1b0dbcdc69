import { createServer, type RequestListener } from 'node:http';
import express5 from 'express';
import express4 from 'express4';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { alwaysAllowGroups, chain, guardSteps, rbacAuthorizer, type Middleware } from '../../../src/index.js';
import {
  zPages,
  type PolicyObject,
  type ServerStatus,
  type ZPagesOptions,
} from '../../../src/server-exports.js';
import { ZPagesOptionError } from '../../../src/server/z-pages/z-pages-step.js';
import { filterOptions, policyOf } from '../../support/filter.js';

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
/** The answer's body as it came. */
const bodyOf = async (path: string, accept: string, agent = 'x') => {
  const answer = await ask(app, path, 'admin-token', accept).set('User-Agent', agent).buffer(true);
  return { status: answer.status, contentType: answer.headers['content-type'], body: answer.text };
};

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
    ['/flagz', 'text/plain', 'text/plain; charset=utf-8'],
    ['/flagz', 'text/plain, application/json;q=0.5', 'text/plain; charset=utf-8'],
    ['/flagz', 'application/json, */*;q=0.1', 'text/plain; charset=utf-8'],
    ['/flagz', ' ', 'text/plain; charset=utf-8'],
    ['/statusz', 'text/html, application/json', 'text/html; charset=utf-8'],
    ['/', 'application/json;as=Statusz', 'application/json'],
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

  const statusz = 'v=v1beta1;g=config.k8s.io;as=Statusz';
  const flagz = 'v=v1beta1;g=config.k8s.io;as=Flagz';
  it.each<[path: string, accept: string, agent: string, contentType: string, body: RegExp]>([
    [
      '/statusz',
      `application/json;${statusz}`,
      'x',
      'application/json;g=config.k8s.io;v=v1beta1;as=Statusz',
      /^\{"kind":"Statusz","apiVersion":"config\.k8s\.io\/v1beta1","metadata":\{"name":"app"\},"startTime":"1970-01-01T00:00:00Z","uptimeSeconds":\d+,"binaryVersion":"1\.0\.0","paths":\["\/flagz","\/metrics","\/statusz"\]\}\n$/,
    ],
    [
      '/statusz',
      `application/yaml; as=Statusz; g=config.k8s.io; v=v1beta1`,
      'curl/8',
      'application/yaml;g=config.k8s.io;v=v1beta1;as=Statusz',
      /^apiVersion: config\.k8s\.io\/v1beta1\nbinaryVersion: 1\.0\.0\nkind: Statusz\nmetadata:\n {2}name: app\npaths:\n- \/flagz\n- \/metrics\n- \/statusz\nstartTime: "1970-01-01T00:00:00Z"\nuptimeSeconds: \d+\n$/,
    ],
    [
      '/flagz',
      `application/json;${flagz}`,
      'x',
      'application/json;g=config.k8s.io;v=v1beta1;as=Flagz',
      /^\{"kind":"Flagz","apiVersion":"config\.k8s\.io\/v1beta1","metadata":\{"name":"app"\},"flags":\{"port":"80"\}\}\n$/,
    ],
    [
      '/flagz',
      `application/json;${flagz}`,
      'curl/8',
      'application/json;g=config.k8s.io;v=v1beta1;as=Flagz',
      /^\{\n {2}"kind": "Flagz",[^]*\n {2}"flags": \{\n {4}"port": "80"\n {2}\}\n\}$/,
    ],
    [
      '/flagz',
      `text/html, application/yaml;${flagz}, */*;q=0.1`,
      'x',
      'application/yaml;g=config.k8s.io;v=v1beta1;as=Flagz',
      /^apiVersion: config\.k8s\.io\/v1beta1\nflags:\n {2}port: "80"\nkind: Flagz\nmetadata:\n {2}name: app\n$/,
    ],
  ])('%s for %s and %s is the object of its kind', async (path, accept, agent, contentType, body) => {
    const answer = await bodyOf(path, accept, agent);
    expect([answer.status, answer.contentType]).toEqual([200, contentType]);
    expect(answer.body).toMatch(body);
  });

  const message =
    'only the following media types are accepted: application/json, application/yaml, text/plain';
  it.each([
    ['/statusz', 'application/json'],
    ['/statusz', 'application/yaml'],
    ['/statusz', `application/json;${flagz}`],
    ['/flagz', `application/json;${statusz}`],
    ['/statusz', 'application/json;v=v1alpha1;g=config.k8s.io;as=Statusz'],
    ['/statusz', 'application/json;v=v1;g=config.k8s.io;as=Statusz'],
    ['/statusz', 'application/json;g=config.k8s.io;as=Statusz'],
    ['/statusz', 'application/json;as=Statusz'],
    ['/statusz', `application/json;stream=watch;${statusz}`],
    ['/statusz', `application/vnd.kubernetes.protobuf;${statusz}`],
    ['/flagz', `text/plain;${flagz}`],
    ['/flagz', 'image/png'],
    ['/flagz', 'text/html;q=0'],
    ['/flagz', ','],
  ])('%s for %s is 406', async (path, accept) => {
    const answer = await bodyOf(path, accept);
    expect(answer.status).toBe(406);
    expect(parse(answer.body)).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason: 'NotAcceptable',
      code: 406,
    });
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
