import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { rsaKey } from '../authentication/tokens/jwt/signed-jwt.js';
import { ReviewServer, type ReviewAnswer, type SentReview } from '../support/review-server.js';
import type { StartedServer } from '../support/started-server.js';
import { bearing, IdentitySetting, issuer, refusalLines } from './identity-setting.js';

const key = rsaKey();
const soon = { timeout: 3000, interval: 20 };

const setting = await IdentitySetting.create();
afterEach(async () => {
  expect(await setting.stop()).toEqual([]);
});

async function startReviewer(script: ReviewServer['script'], serverPath = ''): Promise<ReviewServer> {
  const reviewer = await ReviewServer.start(serverPath);
  reviewer.script = script;
  return reviewer;
}

/** Knows these tokens, and whose they are. */
const knowing =
  (users: Readonly<Record<string, string>>): ReviewServer['script'] =>
  ({ spec: { token } }: SentReview): ReviewAnswer => {
    const username = users[String(token)];
    return { status: username === undefined ? {} : { authenticated: true, user: { username } } };
  };

/** Lets these users, and refuses all others outright. */
const allowing =
  (...users: readonly string[]): ReviewServer['script'] =>
  ({ spec: { user } }: SentReview): ReviewAnswer => {
    const allowed = users.includes(String(user));
    return { status: { allowed, denied: !allowed, reason: 'by the script' } };
  };

const withToken = (server: StartedServer, token: string): Promise<number> =>
  setting.status(server, undefined, bearing(token));

const [ofPrometheus, ofMallory] = ['reviewed-token-of-prometheus', 'reviewed-token-of-mallory'];

describe('a reviewer of tokens', () => {
  const knownTokens = { [ofPrometheus]: 'prometheus', [ofMallory]: 'mallory' };

  it('says who somebody is; RBAC says whether he may', async () => {
    const reviewer = await startReviewer(knowing(knownTokens));
    const server = await setting.start(`--authentication-kubeconfig=${reviewer.kubeconfig}`);
    expect(await withToken(server, setting.secret(ofPrometheus))).toBe(200);
    expect(await withToken(server, setting.secret(ofMallory))).toBe(403);
    expect(await withToken(server, setting.secret('token-of-nobody-at-all'))).toBe(401);
    expect(reviewer.reviews.map(({ spec }) => spec)).toEqual([
      { token: ofPrometheus },
      { token: ofMallory },
      { token: 'token-of-nobody-at-all' },
    ]);
    expect(reviewer.api.requests[0]).toMatchObject({
      method: 'POST',
      url: '/apis/authentication.k8s.io/v1/tokenreviews',
    });
    expect(await setting.metrics(server)).toEqual(
      expect.arrayContaining([
        'apiserver_delegated_authn_request_total{code="201"} 3',
        'authentication_token_cache_request_total{status="miss"} 3',
        'kcp_metrics_filter_refused_credentials_total{authenticator="token-review"} 1',
      ]),
    );
    await expect
      .poll(() => refusalLines(server).map(({ refusals }) => refusals), soon)
      .toEqual([[{ authenticator: 'token-review', reason: 'not authenticated' }]]);
  });

  it('is asked once about a token while its answer is believed, and each time where it is not', async () => {
    const reviewer = await startReviewer(knowing(knownTokens));
    const kubeconfig = `--authentication-kubeconfig=${reviewer.kubeconfig}`;
    const believing = await setting.start(kubeconfig);
    for (const token of [ofPrometheus, 'nobody', ofPrometheus, 'nobody']) await withToken(believing, token);
    expect(reviewer.reviews).toHaveLength(2);
    const asking = await setting.start(
      kubeconfig,
      '--authentication-token-webhook-cache-ttl=0s',
      '--authentication-token-webhook-cache-unauthenticated-ttl=0s',
    );
    for (const token of [ofPrometheus, 'nobody', ofPrometheus, 'nobody']) await withToken(asking, token);
    expect(reviewer.reviews).toHaveLength(6);
  });

  it('is not followed into another workspace of a kcp, whose owner would answer', async () => {
    const reviewer = await startReviewer(knowing(knownTokens), '/clusters/root');
    const server = await setting.start(`--authentication-kubeconfig=${reviewer.kubeconfig}`);
    expect(await withToken(server, setting.secret(ofPrometheus))).toBe(200);
    const text = readFileSync(reviewer.kubeconfig, 'utf8');
    writeFileSync(reviewer.kubeconfig, text.replace('/clusters/root', '/clusters/root:org'));
    expect(await withToken(server, setting.secret(ofMallory))).toBe(403);
    const asked = '/clusters/root/apis/authentication.k8s.io/v1/tokenreviews';
    expect(reviewer.api.requests.map(({ url }) => url)).toEqual([asked, asked]);
    await expect
      .poll(() => server.log(), soon)
      .toMatch(/its server is another workspace \(\/clusters\/root:org\) than at the start/);
  });

  it('that does not answer lets nobody in, and holds up nobody else', async () => {
    const reviewer = await startReviewer(() => 'hang up');
    const server = await setting.start(`--authentication-kubeconfig=${reviewer.kubeconfig}`);
    const token = setting.secret(ofPrometheus);
    const { status, headers, body } = await setting
      .client(server)
      .request('/metrics', { headers: bearing(token) });
    expect([status, JSON.parse(body)]).toMatchObject([401, { message: 'Unauthorized' }]);
    expect(await setting.status(server, 'prometheus', bearing(token))).toBe(200);
    expect(await setting.status(server, undefined)).toBe(403);
    await expect
      .poll(() => refusalLines(server), soon)
      .toMatchObject([
        {
          auditId: headers.get('audit-id'),
          refusals: [
            {
              authenticator: 'token-review',
              reason: expect.stringMatching(/^reviewer failed: https:\/\/127\.0\.0\.1:\d+/) as string,
            },
          ],
        },
      ]);
    expect(server.log()).toMatch(/"reviewer":"authn","msg":"a review failed: /);
    expect(await setting.metrics(server)).toContain(
      'kcp_metrics_filter_review_failures_total{type="authn"} 1',
    );

    reviewer.script = knowing(knownTokens);
    await expect.poll(() => withToken(server, token), soon).toBe(200);
    expect(server.log()).toContain('"msg":"reviews succeed again"');
  });

  it('is asked about tokens that nobody before it knows, and only by them', async () => {
    const foreign = setting.token(key, { iss: 'https://elsewhere' });
    const unknown = setting.token(key, { iss: 'https://elsewhere' });
    const own = setting.token(key);
    const reviewer = await startReviewer(({ spec: { token } }) => ({
      status:
        token === foreign
          ? { authenticated: true, user: { username: 'prometheus' }, audiences: [issuer] }
          : { error: 'no such token' },
    }));
    const server = await setting.start(
      `--token-auth-file=${setting.directory.write('tokens.csv', 'static-token-of-mallory,mallory,1\n')}`,
      `--service-account-key-file=${setting.directory.write('account.pub', key.publicPem)}`,
      `--service-account-issuer=${issuer}`,
      `--authentication-kubeconfig=${reviewer.kubeconfig}`,
    );
    expect(await withToken(server, own)).toBe(200);
    expect(await withToken(server, 'static-token-of-mallory')).toBe(403);
    expect(await setting.status(server, 'prometheus', bearing(unknown))).toBe(200);
    expect(await setting.status(server, undefined)).toBe(403);
    expect(reviewer.reviews).toEqual([]);
    expect(await withToken(server, foreign)).toBe(200);
    expect(await withToken(server, unknown)).toBe(401);
    expect(await setting.status(server, 'stranger', bearing(foreign))).toBe(200);
    expect(reviewer.reviews.map(({ spec }) => spec)).toEqual([
      { token: foreign, audiences: [issuer] },
      { token: unknown, audiences: [issuer] },
    ]);
    expect(await setting.status(server, undefined, { ...bearing(foreign), 'Impersonate-User': 'a' })).toBe(
      403,
    );
    await expect
      .poll(() => refusalLines(server).at(-1)?.refusals, soon)
      .toEqual([
        { authenticator: 'token-file', reason: 'unknown token' },
        { authenticator: 'service-account', reason: 'the token is of another issuer' },
        { authenticator: 'token-review', reason: 'not authenticated: "no such token"' },
      ]);
  });
});

describe('a reviewer of access', () => {
  it('decides what RBAC does not, and is asked nothing else', async () => {
    const reviewer = await startReviewer(allowing('mallory'));
    const server = await setting.start(`--authorization-kubeconfig=${reviewer.kubeconfig}`);
    const statuses = [
      await setting.status(server, 'prometheus'),
      await setting.status(server, 'masters'),
      await setting.status(server, 'stranger'),
    ];
    expect(statuses).toEqual([200, 200, 401]);
    expect(reviewer.reviews).toEqual([]);
    expect(await setting.status(server, 'mallory')).toBe(200);
    expect(await setting.status(server, undefined)).toBe(403);
    expect(reviewer.reviews.map(({ spec }) => spec)).toMatchObject([
      {
        user: 'mallory',
        groups: ['system:authenticated'],
        nonResourceAttributes: { path: '/metrics', verb: 'get' },
      },
      { user: 'system:anonymous', groups: ['system:unauthenticated'] },
    ]);
    expect(reviewer.api.requests[0]).toMatchObject({
      method: 'POST',
      url: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    });
    expect(await setting.metrics(server)).toEqual(
      expect.arrayContaining([
        'apiserver_delegated_authz_request_total{code="201"} 2',
        'apiserver_authorization_decisions_total{type="Webhook",name="webhook",decision="allowed"} 1',
        'apiserver_authorization_decisions_total{type="Webhook",name="webhook",decision="denied"} 1',
      ]),
    );
  });

  it('that does not answer fails those who need it, without a word of why, and nobody else', async () => {
    const reviewer = await startReviewer(() => 'hang up');
    const server = await setting.start(`--authorization-kubeconfig=${reviewer.kubeconfig}`);
    const mallory = setting.client(server, 'mallory');
    const { status, body } = await mallory.request('/metrics');
    expect([status, body]).toEqual([500, 'Internal Server Error: "/metrics": SubjectAccessReviewError\n']);
    const others = ['prometheus', 'masters'] as const;
    expect(await Promise.all(others.map((name) => setting.status(server, name)))).toEqual([200, 200]);
    expect((await mallory.request('/readyz')).status).toBe(200);
    expect(server.log()).toMatch(/"reviewer":"authz","msg":"a review failed: /);
    expect(await setting.metrics(server)).toContain(
      'kcp_metrics_filter_review_failures_total{type="authz"} 1',
    );

    reviewer.script = allowing('mallory');
    await expect.poll(async () => (await mallory.request('/metrics')).status, soon).toBe(200);
    expect(server.log()).toContain('"msg":"reviews succeed again"');
  });

  it('is stood in for by what it allowed before, for as long as a flag lets it', async () => {
    const reviewer = await startReviewer(allowing('mallory'));
    const start = (staleTtl: string) =>
      setting.start(
        `--authorization-kubeconfig=${reviewer.kubeconfig}`,
        '--authorization-webhook-cache-authorized-ttl=0s',
        '--authorization-webhook-cache-unauthorized-ttl=0s',
        `--authorization-webhook-stale-ttl=${staleTtl}`,
      );
    const [without, within, beyond] = await Promise.all([start('0s'), start('1h'), start('1ms')]);
    const servers = [without, within, beyond];
    const statuses = () => Promise.all(servers.map((server) => setting.status(server, 'mallory')));
    expect(await statuses()).toEqual([200, 200, 200]);
    // Who was not allowed has nothing that could stand in.
    expect(await setting.status(within, undefined)).toBe(403);
    reviewer.script = () => ({ code: 503 });
    expect(await statuses()).toEqual([500, 200, 500]);
    expect(await setting.status(within, undefined)).toBe(500);
    expect(await setting.metrics(within)).toContain(
      'kcp_metrics_filter_authorization_webhook_cache_total{status="stale"} 1',
    );
    // A refusal is an answer.
    reviewer.script = allowing();
    await expect.poll(statuses, soon).toEqual([403, 403, 403]);
    reviewer.script = () => ({ code: 503 });
    expect(await statuses()).toEqual([500, 500, 500]);
  });

  it('is asked in the order that a flag gives', async () => {
    const reviewer = await startReviewer(allowing('mallory'));
    const server = await setting.start(
      `--authorization-kubeconfig=${reviewer.kubeconfig}`,
      '--authorization-order=Webhook,AlwaysAllowGroups,RBAC',
    );
    const names = ['prometheus', 'masters', 'mallory'] as const;
    expect(await Promise.all(names.map((name) => setting.status(server, name)))).toEqual([403, 403, 200]);
  });
});

describe('webhooks', () => {
  it.each([
    { version: 'v1', groups: 'groups' },
    { version: 'v1beta1', groups: 'group' },
  ])('are asked at their URLs in $version', async ({ version, groups }) => {
    const reviewer = await startReviewer(
      (review) =>
        (review.kind === 'TokenReview' ? knowing({ [ofMallory]: 'mallory' }) : allowing('mallory'))(review),
      '/review',
    );
    const server = await setting.start(
      `--authentication-token-webhook-config-file=${reviewer.kubeconfig}`,
      `--authorization-webhook-config-file=${reviewer.certificateKubeconfig}`,
      `--authentication-token-webhook-version=${version}`,
      `--authorization-webhook-version=${version}`,
    );
    expect(await withToken(server, setting.secret(ofMallory))).toBe(200);
    expect(await withToken(server, setting.secret('token-of-nobody-at-all'))).toBe(401);
    expect(reviewer.reviews).toMatchObject([
      { apiVersion: `authentication.k8s.io/${version}`, kind: 'TokenReview', spec: { token: ofMallory } },
      {
        apiVersion: `authorization.k8s.io/${version}`,
        kind: 'SubjectAccessReview',
        spec: {
          user: 'mallory',
          [groups]: ['system:authenticated'],
          nonResourceAttributes: { path: '/metrics', verb: 'get' },
        },
      },
      { apiVersion: `authentication.k8s.io/${version}`, kind: 'TokenReview' },
    ]);
    const { requests } = reviewer.api;
    expect(requests.map(({ url }) => url)).toEqual(['/review', '/review', '/review']);
    expect(requests.map(({ clientName }) => clientName)).toEqual([undefined, 'filter', undefined]);
  });
});
