import { beforeEach, describe, expect, it, vi } from 'vitest';
import { openApiClient } from '../../../src/kubernetes/kubeconfig/kubeconfig-client.js';
import { ReviewClient, type ReviewClientOptions } from '../../../src/kubernetes/reviews/review-client.js';
import { subjectAccessReview, tokenReview } from '../../../src/kubernetes/reviews/review-kind.js';
import { atEnd } from '../../support/ending.js';
import { ReviewServer, type ReviewAnswer } from '../../support/review-server.js';
import { ReviewError } from '../../../src/kubernetes/kubernetes-errors.js';

let server: ReviewServer;
const told: string[] = [];

beforeEach(async () => {
  told.splice(0);
  server = await ReviewServer.start();
});

async function open(
  options: Partial<ReviewClientOptions> = {},
  kubeconfig = server.kubeconfig,
): Promise<ReviewClient> {
  const client = await openApiClient({ kubeconfig });
  const reviews = new ReviewClient({
    client,
    kind: tokenReview,
    target: 'api-server',
    // The longest pauses that are drawn.
    random: () => 0,
    observer: {
      onRequest: ({ code, seconds }) => told.push(seconds >= 0 ? code : 'no time'),
      onUnasked: (why) => told.push(why),
    },
    ...options,
  });
  atEnd(() => {
    reviews.close();
    client.close();
  });
  return reviews;
}

async function failure(work: Promise<unknown>): Promise<ReviewError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ReviewError);
  return error as ReviewError;
}

const status = { authenticated: false };
const answering = (...answers: readonly ReviewAnswer[]): void => {
  const left = [...answers];
  server.script = () => left.shift() ?? { status };
};

describe('a question', () => {
  it.each([
    [tokenReview, 'v1', '/apis/authentication.k8s.io/v1/tokenreviews', 'authentication.k8s.io/v1'],
    [
      tokenReview,
      'v1beta1',
      '/apis/authentication.k8s.io/v1beta1/tokenreviews',
      'authentication.k8s.io/v1beta1',
    ],
    [
      subjectAccessReview,
      'v1',
      '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      'authorization.k8s.io/v1',
    ],
  ] as const)('is posted to an API server: %j %s', async (kind, version, url, apiVersion) => {
    const reviews = await open({ kind, version });
    answering({ status });
    expect(await reviews.review({ token: 'a' })).toEqual(status);
    expect(server.reviews).toEqual([{ apiVersion, kind: kind.kind, spec: { token: 'a' } }]);
    expect(server.api.requests).toMatchObject([
      {
        method: 'POST',
        url,
        headers: { authorization: 'Bearer token-of-the-filter', 'content-type': 'application/json' },
      },
    ]);
    expect(told).toEqual(['201']);
  });

  it.each([
    ['', '/'],
    ['/', '/'],
    ['/authenticate', '/authenticate'],
    ['/a/b%2Fc/', '/a/b%2Fc'],
  ])('is posted to a webhook at its own URL, %j', async (path, url) => {
    const webhook = await ReviewServer.start(path);
    try {
      const reviews = await open({ target: 'webhook' }, webhook.certificateKubeconfig);
      await reviews.review({});
      expect(webhook.api.requests).toMatchObject([{ method: 'POST', url, clientName: 'filter' }]);
    } finally {
      await webhook.stop();
    }
  });

  it.each<[string, ReviewAnswer]>([
    ['a closed connection', 'hang up'],
    ['a 500', { code: 500 }],
    ['a 503', { code: 503 }],
    ['a 429', { code: 429, headers: { 'Retry-After': '0' } }],
  ])('is asked a second time after %s', async (_, first) => {
    const reviews = await open();
    answering(first, { status });
    expect(await reviews.review({})).toEqual(status);
    expect(reviews.isFailing).toBe(false);
    expect(told).toHaveLength(2);
  });

  it.each<[string, ReviewAnswer, string, string]>([
    ['is forbidden', { code: 403, message: 'no\nway' }, 'refused', 'answered 403: no\\u000away'],
    ['is refused', { code: 401 }, 'refused', 'answered 401: status 401'],
    ['is too large', { code: 413 }, 'refused', 'answered 413: status 413'],
    ['finds no such resource', { code: 404 }, 'refused', 'answered 404: status 404'],
    [
      'gets garbage',
      { body: '<html>' },
      'malformed',
      'the answer to POST /apis/authentication.k8s.io/v1/tokenreviews is no JSON',
    ],
    ['gets nothing', { body: '' }, 'malformed', 'is no JSON'],
    ['gets null', { body: 'null' }, 'malformed', 'the answer is no authentication.k8s.io/v1 TokenReview'],
    ['gets a list', { body: '[]' }, 'malformed', 'the answer is no'],
    ['gets no kind', { body: '{"status":{"authenticated":true}}' }, 'malformed', 'the answer is no'],
    [
      'gets another kind',
      { body: '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview","status":{}}' },
      'malformed',
      'the answer is no',
    ],
    [
      'gets another version',
      { body: '{"apiVersion":"authentication.k8s.io/v1beta1","kind":"TokenReview","status":{}}' },
      'malformed',
      'the answer is no',
    ],
    [
      'gets too much',
      { status: { error: 'x'.repeat(1024 * 1024) } },
      'malformed',
      'is larger than 1048576 bytes',
    ],
  ])('that %s is an error, once, and no outage', async (_, answer, kind, message) => {
    const reviews = await open();
    answering(answer);
    const error = await failure(reviews.review({}));
    expect(error.failure).toBe(kind);
    expect(error.message).toContain(message);
    expect(error.message.startsWith(server.api.url)).toBe(true);
    expect(reviews.isFailing).toBe(false);
    expect(told).toHaveLength(1);
  });

  it('is not asked again where the server wants to be left alone for longer than there is time', async () => {
    const reviews = await open();
    answering({ code: 429, headers: { 'Retry-After': '60' } });
    expect(await failure(reviews.review({}))).toMatchObject({ failure: 'unavailable', retryAfterMs: 60_000 });
    expect(told).toEqual(['429']);
  });

  it('ends with its time, of which a second try gets the rest', async () => {
    const reviews = await open({ timeoutMs: 1000 });
    answering('hang up', 'hang');
    const error = await failure(reviews.review({}));
    expect(error.message).toBe(`${server.api.url}: no answer within 1000 ms`);
    expect(told).toEqual(['<error>', '<error>']);
    await expect.poll(() => server.api.open.size).toBe(0);
  });

  it('ends with the client', async () => {
    const reviews = await open();
    answering('hang');
    const asked = failure(reviews.review({}));
    await expect.poll(() => server.reviews).toHaveLength(1);
    reviews.close();
    expect(await asked).toMatchObject({ failure: 'closed' });
    expect(await failure(reviews.review({}))).toMatchObject({ failure: 'closed' });
  });

  it('fails at once where too many are under way; those about the known have a quarter for themselves', async () => {
    const reviews = await open({ maxUnderWay: 4 });
    server.script = () => 'hang';
    const asked = [1, 2, 3].map(() => failure(reviews.review({})));
    expect(await failure(reviews.review({}))).toMatchObject({ failure: 'overload' });
    asked.push(failure(reviews.review({}, { isKnown: true })));
    expect(await failure(reviews.review({}, { isKnown: true }))).toMatchObject({ failure: 'overload' });
    expect(told).toEqual(['overload', 'overload']);
    reviews.close();
    expect((await Promise.all(asked)).map((error) => error.failure)).toEqual(Array(4).fill('closed'));
  });

  it('is answered whatever an observer does', async () => {
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const onRequest = (): void => {
      throw new RangeError('secret');
    };
    const reviews = await open({ observer: { onRequest } });
    answering({ status });
    expect(await reviews.review({})).toEqual(status);
    expect(warning.mock.calls).toEqual([['a listener of a client of a reviewer failed with RangeError']]);
    warning.mockRestore();
  });
});

describe('an outage', () => {
  it('costs the first question its time, and the thousand behind it nothing', async () => {
    const reviews = await open({ timeoutMs: 1000, now: () => 0 });
    server.script = () => 'hang';
    await failure(reviews.review({}));
    const startedAt = performance.now();
    const errors = await Promise.all(Array.from({ length: 1000 }, () => failure(reviews.review({}))));
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(new Set(errors.map((error) => `${error.failure} ${error.message}`))).toEqual(
      new Set([`outage ${server.api.url}: no answer within 1000 ms; not asked again yet`]),
    );
    expect(server.connections).toBe(1);
    expect(told.filter((why) => why === 'outage')).toHaveLength(1000);
  });

  it('is probed by one question without a second try, and is over when that is answered', async () => {
    const clock = { now: 0 };
    const reviews = await open({ now: () => clock.now });
    server.script = () => ({ code: 500, message: 'about a secret' });
    await failure(reviews.review({}));
    expect(reviews.isFailing).toBe(true);
    clock.now = 250;
    const errors = await Promise.all([1, 2, 3].map(() => failure(reviews.review({}))));
    expect(errors.map((error) => error.failure)).toEqual(['unavailable', 'outage', 'outage']);
    // What the server says of one question is not told of another.
    expect(errors[1]?.message).toBe(`${server.api.url}: answered 500; not asked again yet`);
    expect(server.reviews).toHaveLength(3);
    clock.now = 250 + 500;
    answering();
    expect(await reviews.review({})).toEqual(status);
    expect(reviews.isFailing).toBe(false);
    expect(await Promise.all([1, 2, 3].map(() => reviews.review({})))).toHaveLength(3);
  });

  it('is over, too, when the server refuses', async () => {
    const clock = { now: 0 };
    const reviews = await open({ now: () => clock.now });
    answering('hang up', 'hang up', { code: 403 });
    await failure(reviews.review({}));
    clock.now = 250;
    expect(await failure(reviews.review({}))).toMatchObject({ failure: 'refused' });
    expect(await reviews.review({})).toEqual(status);
  });

  it('that strangers run into is none for those who are known', async () => {
    const reviews = await open({ now: () => 0 });
    server.script = ({ spec }) => (spec['token'] === 'poison' ? { code: 500 } : { status });
    await failure(reviews.review({ token: 'poison' }));
    expect(await failure(reviews.review({ token: 'b' }))).toMatchObject({ failure: 'outage' });
    expect(await reviews.review({ token: 'a' }, { isKnown: true })).toEqual(status);
    // For strangers it is not over yet.
    expect(await failure(reviews.review({ token: 'b' }))).toMatchObject({ failure: 'outage' });
    expect(reviews.isFailing).toBe(true);
  });

  it('that those run into who are known is found out by strangers themselves', async () => {
    const reviews = await open({ now: () => 0 });
    answering('hang up', 'hang up');
    await failure(reviews.review({}, { isKnown: true }));
    expect(await failure(reviews.review({}, { isKnown: true }))).toMatchObject({ failure: 'outage' });
    expect(reviews.isFailing).toBe(true);
    expect(await reviews.review({})).toEqual(status);
  });

  it('is told of a server that is gone', async () => {
    const reviews = await open();
    await server.api.close();
    expect(await failure(reviews.review({}))).toMatchObject({
      failure: 'unavailable',
      message: `${server.api.url}: connection refused (ECONNREFUSED)`,
    });
  });
});
