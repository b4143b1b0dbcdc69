import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openApiClient } from '../../src/kubernetes/kubeconfig/kubeconfig-client.js';
import { ReviewClient } from '../../src/kubernetes/reviews/review-client.js';
import { subjectAccessReview, tokenReview } from '../../src/kubernetes/reviews/review-kind.js';
import type { Authenticator } from '../../src/authentication/authenticator.js';
import { authenticatorUnion } from '../../src/authentication/union.js';
import { tokenReviewAuthenticator } from '../../src/authentication/tokens/token-review.js';
import type { Authorizer } from '../../src/authorization/authorizer.js';
import { subjectAccessReviewAuthorizer } from '../../src/authorization/subject-access-review.js';
import { atEnd } from '../support/ending.js';
import { ReviewServer, tokenClaiming, type ReviewAnswer, type SentReview } from '../support/review-server.js';

const token = tokenClaiming({ sub: 'alice' });
const pieces = token.split('.').map((part) => part.slice(0, 12));
const alice = {
  authenticated: true,
  user: { username: 'alice', uid: 'u', groups: ['g'], extra: { k: ['v'] } },
};

const answers: (review: SentReview) => ReviewAnswer = ({ kind, spec }) => {
  if (kind === 'TokenReview') return { status: spec['token'] === token ? alice : { error: 'unknown' } };
  return { status: { allowed: spec['user'] === 'alice', reason: 'because' } };
};

let server: ReviewServer;
let authenticator: Authenticator;
let authorizer: Authorizer;
/** All that observers and answers told. */
const told: string[] = [];
const clock = { now: 0 };

/** A client whose questions may take this long (ms): no longer than a test can wait, where no answer comes. */
async function connect(timeoutMs: number): Promise<void> {
  const client = await openApiClient({ kubeconfig: server.kubeconfig });
  const tell = (event: unknown): unknown => told.push(JSON.stringify(event));
  const observer = { onRequest: tell, onUnasked: tell, onCache: tell, onReview: tell };
  const now = (): number => clock.now;
  const open = { client, target: 'api-server', observer, now, timeoutMs, random: () => 0 } as const;
  const tokens = new ReviewClient({ ...open, kind: tokenReview });
  const access = new ReviewClient({ ...open, kind: subjectAccessReview });
  atEnd(() => {
    tokens.close();
    access.close();
    client.close();
  });
  authenticator = tokenReviewAuthenticator({ reviewer: tokens, now, observer });
  const staleTtlMs = 60_000;
  authorizer = subjectAccessReviewAuthorizer({ reviewer: access, now, observer, staleTtlMs });
}

beforeAll(async () => {
  server = await ReviewServer.start();
});

beforeEach(async () => {
  clock.now = 0;
  server.script = answers;
  server.reviews.splice(0);
  told.splice(0);
  await connect(10_000);
});

const scrape = async (bearer = token, path = '/metrics'): Promise<string> => {
  const union = authenticatorUnion([authenticator], true);
  const authentication = await union({ headers: { authorization: [`Bearer ${bearer}`] } });
  told.push(JSON.stringify(authentication));
  if (authentication.kind === 'unauthenticated') return '401';
  return authorize(authentication.identity, path);
};

const authorize = async (
  identity: Parameters<Authorizer['authorize']>[0]['identity'],
  path = '/metrics',
): Promise<string> => {
  try {
    const { decision, reason } = await authorizer.authorize({ identity, verb: 'get', path });
    told.push(reason);
    return decision;
  } catch (error) {
    told.push(String(error));
    return error instanceof Error ? error.name : typeof error;
  }
};

describe('a scrape that another server decides about', () => {
  it('is let in as whom that server knows, with all that it says of him', async () => {
    expect(await scrape()).toBe('allow');
    expect(await scrape()).toBe('allow');
    expect(server.reviews.map(({ spec }) => spec)).toEqual([
      { token },
      {
        nonResourceAttributes: { path: '/metrics', verb: 'get' },
        user: 'alice',
        uid: 'u',
        groups: ['g', 'system:authenticated'],
        extra: { k: ['v'] },
      },
    ]);
  });

  it('is never anonymous with a token that nobody knows', async () => {
    expect(await scrape('another-token')).toBe('401');
  });

  it.each<[string, ReviewAnswer]>([
    ['500', { code: 500, message: `about ${token}` }],
    ['429', { code: 429, headers: { 'Retry-After': '120' }, message: token }],
    ['403', { code: 403, message: `not with ${token}` }],
    ['400', { code: 400, message: `${pieces[2] ?? ''} is no signature` }],
    ['nothing', 'hang'],
    ['a closed connection', 'hang up'],
    ['garbage', { body: `<html>${token}` }],
    ['too much', { body: JSON.stringify(token.repeat(10_000)) }],
    ['another kind', { body: JSON.stringify({ kind: token, apiVersion: 'v1', status: alice }) }],
    ['a field that nobody knows', { status: { ...alice, [token]: true, allowed: true } }],
    ['an error', { status: { error: `cannot verify ${token}: ${pieces.join(' ')}` } }],
  ])('is 401 where it gets %s; the token is told nowhere', async (_, answer) => {
    if (answer === 'hang') await connect(300);
    server.script = () => answer;
    expect(await scrape()).toBe('401');
    const text = told.join('\n');
    expect(text).toMatch(/reviewer failed: |not authenticated: /);
    for (const piece of pieces) expect(text).not.toContain(piece);
  });

  it.each<[string, ReviewAnswer]>([
    ['500', { code: 500 }],
    ['403', { code: 403 }],
    ['nothing', 'hang'],
    ['a closed connection', 'hang up'],
    ['garbage', { body: '<html>' }],
    ['another kind', { body: JSON.stringify({ kind: 'TokenReview', status: { allowed: true } }) }],
  ])('is an error where it gets %s for what he may do', async (_, answer) => {
    if (answer === 'hang') await connect(1000);
    server.script = (review) => (review.kind === 'TokenReview' ? answers(review) : answer);
    expect(await scrape()).toBe('SubjectAccessReviewError');
  });

  it('costs a thousand others nothing where the server has just not answered', async () => {
    await connect(1000);
    server.script = () => 'hang';
    const before = server.api.requests.length;
    expect(await scrape()).toBe('401');
    const startedAt = performance.now();
    const answered = await Promise.all(Array.from({ length: 1000 }, (__, at) => scrape(`token-${at}-`)));
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(new Set(answered)).toEqual(new Set(['401']));
    expect(server.api.requests.length - before).toBe(1);
  });

  it('goes on through an outage where it was allowed before, until the server says otherwise', async () => {
    await connect(1000);
    const identity = { name: 'alice', groups: [], extra: {} };
    expect(await authorize(identity)).toBe('allow');
    clock.now = 10_000;
    server.script = () => 'hang';
    const before = server.api.requests.length;
    // The first finds the outage out.
    expect(await authorize(identity)).toBe('allow');
    const startedAt = performance.now();
    const answered = await Promise.all(Array.from({ length: 1000 }, () => authorize(identity)));
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(new Set(answered)).toEqual(new Set(['allow']));
    expect(server.api.requests.length - before).toBe(1);
    expect(told.at(-1)).toBe('stale for 0s, the reviewer does not answer: because');
    server.script = () => ({ status: { denied: true } });
    clock.now += 5000;
    await expect.poll(() => authorize(identity)).toBe('deny');
  });

  it('is let in again when the server is back', async () => {
    server.script = () => ({ code: 503 });
    expect(await scrape()).toBe('401');
    server.script = answers;
    expect(await scrape()).toBe('401');
    clock.now += 250;
    expect(await scrape()).toBe('allow');
  });
});
