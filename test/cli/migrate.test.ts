import fc from 'fast-check';
import { mkdirSync } from 'node:fs';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { startShop } from '../examples/kubernetes-sidecar.js';
import { command } from '../support/command-line.js';
import { startOpenIdProvider, type OpenIdProvider } from '../support/openid-provider.js';
import { localAuthority } from '../support/local-authority.js';
import { ReviewServer } from '../support/review-server.js';
import { startCli } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const directory = temporaryDirectory();
let server: ReviewServer;
let provider: OpenIdProvider;
let shop: Awaited<ReturnType<typeof startShop>>;

/** Accounts that may get /metrics by RBAC of the API server. */
const granted = 'system:serviceaccount:default:default';

beforeAll(async () => {
  const { authority, serving } = await localAuthority();
  [server, shop, provider] = await Promise.all([
    ReviewServer.start(),
    startShop(),
    startOpenIdProvider(serving, authority.certificatePem),
  ]);
  directory.write('oidc.crt', authority.certificatePem);
  server.script = ({ kind, spec }) => {
    if (kind === 'SubjectAccessReview') {
      const { nonResourceAttributes } = spec as { nonResourceAttributes?: { path: string; verb: string } };
      const isAsked = nonResourceAttributes?.path === '/metrics' && nonResourceAttributes.verb === 'get';
      return {
        status: { allowed: isAsked && [granted, 'admin@example.org'].includes(String(spec['user'])) },
      };
    }
    const [, name] = /^token-of-(.*)$/.exec(String(spec['token'])) ?? [];
    if (name === undefined) return { status: { authenticated: false } };
    const user = { username: `system:serviceaccount:default:${name}`, groups: ['system:authenticated'] };
    return { status: { authenticated: true, user, audiences: spec['audiences'] } };
  };
});

afterAll(() => provider.close());

interface Example {
  readonly name: string;
  /** Its configuration file. */
  readonly file?: object;
  readonly args?: readonly string[];
  readonly options?: readonly string[];
  /** What is told on stderr, besides what every example is told. */
  readonly notes: readonly RegExp[];
  /** Status codes of the accounts default and other, and without credentials. */
  readonly answers: readonly [byDefault: number, byOther: number, without: number];
}

const byTenant = {
  rewrites: { byQueryParameter: { name: 'namespace' } },
  resourceAttributes: {
    apiVersion: 'v1',
    resource: 'namespace',
    subresource: 'metrics',
    namespace: '{{ .Value }}',
  },
};
const toDefault = '--scraper=serviceaccount:default:default';

/** Those of kube-rbac-proxy's documentation. */
const examples: readonly Example[] = [
  { name: 'non-resource-url', notes: [], answers: [200, 403, 401] },
  {
    name: 'non-resource-url-token-request',
    args: ['--auth-token-audiences=kube-rbac-proxy.default.svc'],
    notes: [],
    answers: [200, 403, 401],
  },
  {
    name: 'resource-attributes',
    file: {
      resourceAttributes: {
        namespace: 'default',
        apiVersion: 'v1',
        resource: 'services',
        subresource: 'proxy',
        name: 'kube-rbac-proxy',
      },
    },
    notes: [/resourceAttributes: .* resource "services", .* granted to no one: name who may with --scraper$/],
    answers: [403, 403, 401],
  },
  {
    name: 'rewrites',
    file: byTenant,
    options: [toDefault],
    notes: [
      /^authorization\.resourceAttributes: .* granted to those of --scraper alone$/,
      /^authorization\.rewrites: not there: .* every value of query parameter "namespace"/,
    ],
    answers: [200, 403, 401],
  },
  {
    name: 'static-auth',
    file: {
      ...byTenant,
      static: [
        { resourceRequest: true, resource: 'namespace', subresource: 'metrics', namespace: 'one' },
        { User: { name: granted }, resourceRequest: true, resource: 'namespace', subresource: 'metrics' },
      ],
    },
    notes: [
      /^authorization\.resourceAttributes: /,
      /^authorization\.rewrites: /,
      /^authorization\.static\[0\]: left out: not every request has namespace "one"$/,
    ],
    answers: [200, 403, 401],
  },
  {
    name: 'static rules for paths',
    file: {
      static: [
        { user: { name: 'system:serviceaccount:default:other' }, verb: 'get', path: '/metrics' },
        { path: '/api/*', verb: 'get' },
        { resourceRequest: true, resource: 'pods' },
        { user: { name: 'x' }, verb: 'create', path: '/metrics' },
        { user: { name: 'x' }, path: '/metrics/*' },
      ],
    },
    notes: [
      /static\[1\]: left out: "\/api\/\*" is not a path of metrics$/,
      /static\[2\]: left out: it never matches, since requests are authorized by path$/,
      /static\[3\]: left out: only GET and HEAD are served, not "create"$/,
      /static\[4\]: left out: "\/metrics\/\*" is not a path of metrics$/,
    ],
    answers: [200, 200, 401],
  },
];

const common = (): readonly string[] => [
  '--secure-listen-address=0.0.0.0:8443',
  '--upstream',
  `http://127.0.0.1:${shop.port}/`,
  '--logtostderr=true',
  '--v=10',
];
const commonNotes = [
  /^--logtostderr of kube/,
  /^--v of kube-rbac-proxy is --log-level here$/,
  /^--upstream: only/,
];

async function migrate(...args: readonly string[]) {
  const { code, out, err } = await command('migrate', 'kube-rbac-proxy', ...args);
  expect(code).toBe(0);
  return { out, notes: err === '' ? [] : err.split('\n') };
}

/** Writes what is printed as the documentation says, and starts it. */
async function startMigrated(name: string, args: readonly string[]) {
  mkdirSync(`${directory.path}/${name}/rbac`, { recursive: true });
  const config = (await migrate('--print=config', ...args)).out;
  directory.write(`${name}/rbac/scrapers.yaml`, (await migrate('--print=rbac', ...args)).out);
  return startCli(['--config', directory.write(`${name}/config.yaml`, config)]);
}

function statusOf(port: number, token?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    // The certificate is self-signed, as kube-rbac-proxy's is without one.
    const asked = request(
      { host: '127.0.0.1', port, path: '/metrics', agent: false, rejectUnauthorized: false, headers },
      (response) => {
        response.resume().once('end', () => {
          resolve(response.statusCode ?? 0);
        });
      },
    );
    asked.once('error', reject).end();
  });
}

describe('other paths than those of metrics', () => {
  const rules = {
    static: [
      { user: { name: 'writer' }, verb: 'create', path: '/api/v1/push' },
      { user: { name: 'writer' }, verb: 'update', path: '/push' },
      { user: { name: 'x' }, verb: 'list', path: '/push' },
      { user: { name: 'x' }, verb: 'get', path: '/clusters/a' },
      { user: { name: 'x' }, verb: 'get', path: '/readyz' },
    ],
  };
  const withRules = (): string => directory.write('gateway.yaml', JSON.stringify({ authorization: rules }));

  it('are passed on where they are named, and granted to the same users', async () => {
    const upstream = '--upstream=http://127.0.0.1:8081/base/';
    const { out, notes } = await migrate(
      withRules(),
      upstream,
      '--allow-paths=/metrics,/federate,/healthz,/a*',
    );
    const [config, ...manifests] = parseAllDocuments(out).map((document) => document.toJS() as object);
    expect(config).toMatchObject({
      upstream: 'http://127.0.0.1:8081/base/metrics',
      gatewayPath: [
        '/federate=http://127.0.0.1:8081/base/federate',
        '/api/v1/push=http://127.0.0.1:8081/base/api/v1/push',
        '/push=http://127.0.0.1:8081/base/push',
      ],
      allowPaths: ['/metrics', '/federate', '/healthz', '/a*'],
    });
    expect(manifests.filter((one) => 'rules' in one)).toMatchObject([
      { rules: [{ nonResourceURLs: ['/api/v1/push'], verbs: ['post'] }] },
      { rules: [{ nonResourceURLs: ['/push'], verbs: ['put'] }] },
    ]);
    expect(notes).toEqual([
      expect.stringMatching(
        /^--upstream: only \/metrics, \/federate, \/api\/v1\/push, \/push are passed on; /,
      ),
      expect.stringMatching(/^--gateway-path: verbs are the methods themselves: /),
      'authorization.static[2]: left out: no request has verb "list"',
      'authorization.static[3]: left out: "/clusters/a" is not a path of metrics',
      'authorization.static[4]: left out: "/readyz" is not a path of metrics',
    ]);
  });

  it('are left out without an upstream', async () => {
    const { out, notes } = await migrate(withRules(), '--allow-paths=/federate');
    expect(out).not.toContain('gatewayPath');
    expect(notes).toContain('authorization.static[0]: left out: "/api/v1/push" is not a path of metrics');
  });
});

describe('the examples of kube-rbac-proxy, migrated', () => {
  it.each(examples)('$name', async ({ name, file, args = [], options = [], notes, answers }) => {
    const all = [
      ...options,
      ...(file === undefined
        ? []
        : [directory.write(`${name}.yaml`, JSON.stringify({ authorization: file }))]),
      ...common(),
      ...args,
      `--kubeconfig=${server.kubeconfig}`,
    ];
    const printed = await migrate(...all);
    expect(printed.notes).toEqual(
      [...commonNotes, ...notes].map((note): unknown => expect.stringMatching(note)),
    );
    const filter = await startMigrated(name, all);
    try {
      await expect.poll(() => statusOf(filter.port, 'token-of-default')).not.toBe(503);
      const tokens = ['token-of-default', 'token-of-other', undefined];
      expect(await Promise.all(tokens.map((token) => statusOf(filter.port, token)))).toEqual(answers);
    } finally {
      expect(await filter.stop()).toBe(0);
    }
  });

  it('oidc', async () => {
    const args = [
      `--insecure-listen-address=0.0.0.0:8444`,
      ...common().slice(1),
      `--oidc-issuer=${provider.issuerUrl}`,
      `--oidc-clientID=${provider.clientId}`,
      `--oidc-ca-file=${directory.path}/oidc.crt`,
      `--client-ca-file=${directory.path}/oidc.crt`,
      `--kubeconfig=${server.kubeconfig}`,
    ];
    const { notes } = await migrate(...args);
    expect(notes).toContain('--secure-port: TLS is served on port 8444: scrapers need scheme https');
    expect(notes).toContain(
      '--client-ca-file: left out: kube-rbac-proxy does not use it with an OpenID issuer',
    );
    const filter = await startMigrated('oidc', args);
    try {
      const admin = await provider.idToken('admin', { email: 'admin@example.org', email_verified: true });
      const other = await provider.idToken('other', { email: 'other@example.org', email_verified: true });
      await expect.poll(() => statusOf(filter.port, admin), { timeout: 10_000 }).toBe(200);
      expect(await statusOf(filter.port, other)).toBe(403);
      expect(await statusOf(filter.port, 'token-of-default')).toBe(401);
    } finally {
      expect(await filter.stop()).toBe(0);
    }
  });
});

describe('migrate kube-rbac-proxy', () => {
  it('prints one stream, the configuration first', async () => {
    const { out } = await migrate(
      '--secure-listen-address=[::1]:8443',
      '--upstream=https://app:8080/base?a=b',
      '--upstream-ca-file=/ca.crt',
      '--auth-header-fields-enabled',
      '--auth-header-user-field-name=x-user',
      '--allow-paths=/metrics,/metrics/*',
      '--tls-min-version=VersionTLS11',
      '--tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
      '--oidc-groups-claim=roles',
      '--ignore-paths=',
    );
    const documents = parseAllDocuments(out).map((document) => document.toJS() as unknown);
    expect(documents).toEqual([
      {
        apiVersion: 'kcp-metrics-filter/v1alpha1',
        kind: 'MetricsFilterConfiguration',
        bindAddress: '::1',
        securePort: 8443,
        allowPaths: ['/metrics', '/metrics/*'],
        tlsCipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
        upstream: 'https://app:8080/base/metrics?a=b',
        upstreamCaFile: '/ca.crt',
        authHeaderFieldsEnabled: true,
        authHeaderUserFieldName: 'x-user',
        anonymousAuth: false,
        authenticationKubeconfig: 'in-cluster',
        authorizationKubeconfig: 'in-cluster',
        authorizationOrder: ['AlwaysAllowPaths', 'Webhook'],
        bootstrapPolicy: false,
      },
      null,
    ]);
    expect(out).toContain('# Must be allowed to create tokenreviews and subjectaccessreviews, as kube-rbac');
  });

  it.each<readonly [config: string, message: RegExp]>([
    ['authorisation: {}', /^\S+:1: authorisation is an unknown field; did you mean authorization\?$/],
    ['authorization: {statics: []}', /authorization\.statics is an unknown field; did you mean static\?$/],
    ['authorization: {static: [{}]}', /static\[0\] must have either a path or resourceRequest: /],
    ['authorization: {static: [{path: /metrics, resourceRequest: true}]}', /must have either a path or /],
    [
      'authorization: {static: [{pathh: /metrics}]}',
      /static\[0\]\.pathh is an unknown field; did you mean path/,
    ],
    ['authorization: {static: {path: /metrics}}', /static must be a list, not an object$/],
    ['authorization: {static: [{path: /metrics, user: bob}]}', /user must be an object, not a string$/],
    ['authorization: {resourceAttributes: {name: 1}}', /name must be a string, not a number$/],
    [
      'authorization: {rewrites: {byHttpHeaders: {name: a}}}',
      /byHttpHeaders is an unknown field; did you mean byHttpHeader/,
    ],
    ['- a', /a document must be an object, not a list$/],
  ])('refuses %s in one line with the place', async (config, message) => {
    const file = directory.write('refused.yaml', config);
    const { code, out, err } = await command('migrate', 'kube-rbac-proxy', file);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(message);
    expect(err).not.toContain('\n');
  });

  it('grants no more than GET and HEAD of metrics, whatever a static rule says', async () => {
    const text = fc.option(
      fc.constantFrom('', '*', 'get', '/metrics', '/metrics/a', '/metrics*', '/', 'pods'),
      { nil: undefined },
    );
    const rule = fc.record(
      { verb: text, path: text, resource: text, namespace: text, resourceRequest: fc.boolean() },
      { requiredKeys: [] },
    );
    const attributes = fc.option(fc.record({ resource: text, namespace: text }), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(fc.array(rule, { maxLength: 3 }), attributes, async (rules, resourceAttributes) => {
        const authorization = { static: rules, resourceAttributes };
        const file = directory.write('random.yaml', JSON.stringify({ authorization }));
        const { code, out } = await command('migrate', 'kube-rbac-proxy', '--print=rbac', file);
        if (code === 2) return;
        expect(code).toBe(0);
        for (const document of parseAllDocuments(out)) {
          const { rules: granting = [] } = (document.toJS() ?? {}) as {
            readonly rules?: readonly { nonResourceURLs: string[]; verbs: string[] }[];
          };
          for (const { nonResourceURLs, verbs } of granting) {
            expect(nonResourceURLs).toEqual([expect.stringMatching(/^\/metrics(?:\/[^*]*)?$/)]);
            expect(verbs.filter((verb) => !['get', 'head'].includes(verb))).toEqual([]);
          }
        }
      }),
    );
  });
});
