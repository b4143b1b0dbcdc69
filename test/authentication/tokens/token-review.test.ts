import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Authentication } from '../../../src/authentication/authenticator.js';
import {
  tokenReviewAuthenticator,
  type TokenReviewOptions,
} from '../../../src/authentication/tokens/token-review.js';
import { FakeReviewer, reviewingWith, unavailable, type Reviewing } from '../../support/fake-reviewer.js';
import { tokenClaiming } from '../../support/review-server.js';
import { ReviewError } from '../../../src/kubernetes/kubernetes-errors.js';

const alice = { authenticated: true, user: { username: 'alice', groups: ['g'] } };
const aliceIdentity = { name: 'alice', groups: ['g'], extra: {} };

interface Setting extends Reviewing {
  readonly ask: (token?: string) => Authentication | Promise<Authentication>;
}

function setting(answer: unknown, options: Partial<TokenReviewOptions> = {}): Setting {
  const reviewing = reviewingWith(answer);
  const authenticator = tokenReviewAuthenticator({ ...reviewing.options, ...options });
  const ask = (token = 'secret-token') =>
    authenticator.authenticate({ headers: { authorization: [`Bearer ${token}`] } });
  return { ...reviewing, ask };
}

it.each([[[]], [['']], [['a', ' ']]])('is not made for the audiences %j', (audiences) => {
  expect(() => setting(alice, { audiences })).toThrow(new RangeError('audiences must not be empty'));
});

describe('an answer', () => {
  it.each([
    [alice, aliceIdentity],
    [{ ...alice, error: '', audiences: null }, aliceIdentity],
    [
      { authenticated: true, user: { username: 'a', uid: '', groups: null, extra: null } },
      { name: 'a', groups: [], extra: {} },
    ],
    [
      {
        authenticated: true,
        user: { username: 'a', uid: 'u', groups: ['system:masters', ''], extra: { k: ['v', 'w'], n: null } },
      },
      { name: 'a', uid: 'u', groups: ['system:masters', ''], extra: { k: ['v', 'w'], n: [] } },
    ],
    [
      { authenticated: true, user: { username: '\ud800' } },
      { name: '\ufffd', groups: [], extra: {} },
    ],
  ])('%j is somebody', async (status, identity) => {
    expect(await setting(status).ask()).toEqual({ kind: 'authenticated', identity });
  });

  it.each([
    [{}, 'not authenticated'],
    [{ authenticated: false, user: {} }, 'not authenticated'],
    [{ authenticated: null }, 'not authenticated'],
    [{ user: { username: 'alice' } }, 'not authenticated'],
    [{ error: 'expired' }, 'not authenticated: "expired"'],
    [{ error: 'two\nlines' }, 'not authenticated: "two\\\\u000alines"'],
    [{ error: 'no secret-token here' }, 'not authenticated: "no [token] here"'],
  ])('%j is nobody', async (status, reason) => {
    const { ask, told } = setting(status);
    expect(await ask()).toEqual({ kind: 'refused', reason });
    expect(told).toEqual(['miss', 'not-authenticated']);
  });

  it.each([
    [undefined, 'status is no object'],
    [null, 'status is no object'],
    [[], 'status is no object'],
    ['yes', 'status is no object'],
    [{ ...alice, Authenticated: true }, 'status has the unknown field "Authenticated"'],
    [{ ...alice, authenticated: 'true' }, 'status.authenticated is no boolean'],
    [{ ...alice, authenticated: 1 }, 'status.authenticated is no boolean'],
    [{ ...alice, error: 'but' }, 'status is authenticated, with an error'],
    [{ ...alice, error: false }, 'status.error holds what is no string'],
    [{ ...alice, audiences: 'us' }, 'status.audiences is no list'],
    [{ authenticated: true }, 'status is authenticated, without a username'],
    [{ authenticated: true, user: { username: '' } }, 'status is authenticated, without a username'],
    [{ authenticated: true, user: 'alice' }, 'status.user is no object'],
    [{ authenticated: true, user: { username: ['alice'] } }, 'status.user.username holds what is no string'],
    [{ authenticated: true, user: { username: 'a', name: 'b' } }, 'status.user has the unknown field "name"'],
    [{ authenticated: true, user: { username: 'a', groups: 'g' } }, 'status.user.groups is no list'],
    [
      { authenticated: true, user: { username: 'a', groups: [1] } },
      'status.user.groups holds what is no string',
    ],
    [{ authenticated: true, user: { username: 'a', extra: [] } }, 'status.user.extra is no object'],
    [
      { authenticated: true, user: { username: 'a', extra: { k: 'v' } } },
      'status.user.extra of a key is no list',
    ],
    [
      { authenticated: true, user: { username: 'a', groups: Array(70_000).fill('') } },
      'status.user is larger than is remembered',
    ],
  ])('%j is none', async (status, what) => {
    const { ask, reviewer } = setting(status);
    const refusal = { kind: 'refused', reason: `reviewer failed: the reviewer's answer: ${what}` };
    expect(await ask()).toEqual(refusal);
    expect(await ask()).toEqual(refusal);
    expect(reviewer.asked).toHaveLength(2);
  });

  it.each(['validating', 'mutating'])(
    'about a token bound to a %s webhook configuration lets nobody in',
    async (kind) => {
      const extra = { [`authentication.kubernetes.io/${kind}webhookconfiguration-name`]: ['policy'] };
      const { ask, reviewer } = setting({ authenticated: true, user: { username: 'a', extra } });
      const refusal = { kind: 'refused', reason: 'the token is bound to a webhook configuration' };
      expect(await ask()).toEqual(refusal);
      expect(await ask()).toEqual(refusal);
      expect(reviewer.asked).toHaveLength(1);
    },
  );

  it('is frozen, and its extra has no prototype', async () => {
    const status =
      '{"authenticated":true,"user":{"username":"a","extra":{"__proto__":["x"],"constructor":["y"]}}}';
    const answer = await setting(JSON.parse(status)).ask();
    if (answer.kind !== 'authenticated') throw new Error(answer.kind);
    const { identity } = answer;
    expect(Object.getPrototypeOf(identity.extra)).toBeNull();
    expect(Object.entries(identity.extra)).toEqual([
      ['__proto__', ['x']],
      ['constructor', ['y']],
    ]);
    for (const part of [answer, identity, identity.groups, identity.extra, identity.extra['constructor']]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });
});

describe('audiences', () => {
  it.each([
    [undefined, undefined, ['other'], true],
    [['us', 'we'], undefined, ['we', 'other'], true],
    [['us'], undefined, ['other'], false],
    [['us'], undefined, [], false],
    [['us'], 'refused', undefined, false],
    [['us'], 'accepted', undefined, true],
    [['us'], 'accepted', [], true],
    [['us'], 'accepted', ['other'], false],
  ] as const)(
    'asked for %j, %s without: answered %j',
    async (audiences, withoutAudiences, answered, isAccepted) => {
      const { ask, reviewer } = setting(
        { ...alice, audiences: answered },
        {
          ...(audiences === undefined ? {} : { audiences }),
          ...(withoutAudiences === undefined ? {} : { withoutAudiences }),
        },
      );
      const reason = `audiences are not accepted: ${JSON.stringify(answered ?? [])}`;
      expect(await ask()).toEqual(
        isAccepted ? { kind: 'authenticated', identity: aliceIdentity } : { kind: 'refused', reason },
      );
      const asked = audiences === undefined ? {} : { audiences };
      expect(reviewer.asked[0]?.spec).toEqual({ token: 'secret-token', ...asked });
      await ask();
      expect(reviewer.asked).toHaveLength(1);
    },
  );

  it('that are not ours are told in at most 128 characters', async () => {
    const { ask } = setting({ ...alice, audiences: ['x'.repeat(1000)] }, { audiences: ['us'] });
    const answer = await ask();
    expect(answer).toMatchObject({ kind: 'refused' });
    if (answer.kind === 'refused') expect(answer.reason).toHaveLength(128);
  });
});

describe('what is asked about', () => {
  it.each([
    [undefined, { kind: 'none' }],
    [['Basic abc'], { kind: 'none' }],
    [['Bearer '], { kind: 'none' }],
    [['Bearer a b'], { kind: 'refused', reason: 'text behind the bearer token' }],
    [[`Bearer ${'x'.repeat(65_537)}`], { kind: 'refused', reason: 'the token is longer than 64 KiB' }],
  ])('is a token: not %.40j', (authorization, answer) => {
    const reviewer = new FakeReviewer(() => alice);
    const authenticator = tokenReviewAuthenticator({ reviewer });
    expect(
      authenticator.authenticate({ headers: authorization === undefined ? {} : { authorization } }),
    ).toEqual(answer);
    expect(reviewer.asked).toEqual([]);
  });

  it('is each token once, however many requests bring it at a time', async () => {
    const { ask, reviewer, told } = setting(alice);
    const tokens = Array.from({ length: 100 }, () => 'one-token');
    const answers = await Promise.all([...tokens, 'other-token'].map(async (token) => ask(token)));
    expect(new Set(answers).size).toBe(2);
    expect(reviewer.asked).toHaveLength(2);
    expect(told.filter((result) => result === 'authenticated')).toHaveLength(2);
  });

  it('is said to be known where it was good before', async () => {
    const { ask, reviewer, clock } = setting(alice);
    await ask();
    clock.now += 10_000;
    await ask();
    expect(reviewer.asked).toMatchObject([{ isKnown: false }, { isKnown: true }]);
  });

  it('is not known any more once it was refused', async () => {
    const { ask, reviewer, clock } = setting(alice);
    await ask();
    for (const answer of [{}, alice]) {
      clock.now += 10_000;
      reviewer.answer = () => answer;
      await ask();
    }
    expect(reviewer.asked.map(({ isKnown }) => isKnown)).toEqual([false, true, false]);
  });
});

describe('a remembered answer', () => {
  it.each([
    ['somebody', alice, { authenticatedTtlMs: 500 }],
    ['nobody', {}, { unauthenticatedTtlMs: 500 }],
    ['nobody, with an error', { error: 'expired' }, { unauthenticatedTtlMs: 500 }],
  ])('is good for its time and no longer: %s', async (_, status, options) => {
    const { ask, reviewer, clock, told } = setting(status, options);
    const first = await ask();
    clock.now += 499;
    expect(ask()).toBe(first);
    clock.now += 1;
    await ask();
    expect(reviewer.asked).toHaveLength(2);
    expect(told.filter((result) => result === 'hit' || result === 'miss')).toEqual(['miss', 'hit', 'miss']);
  });

  it.each([
    ['somebody', alice, { authenticatedTtlMs: 0 }],
    ['nobody', {}, { unauthenticatedTtlMs: 0 }],
  ])('is none where its time is 0: %s', async (_, status, options) => {
    const { ask, reviewer } = setting(status, options);
    await ask();
    await ask();
    expect(reviewer.asked).toHaveLength(2);
  });

  it('is no longer good than before because a clock is set back', async () => {
    const steady = { now: 5 };
    const { reviewer, clock, ask } = setting(alice, { steadyNow: () => steady.now });
    await ask();
    clock.now -= 3_600_000;
    steady.now += 10_000;
    await ask();
    expect(reviewer.asked).toHaveLength(2);
  });

  it('is never good beyond the token itself', async () => {
    const { ask, reviewer, clock } = setting(alice);
    const token = tokenClaiming({ exp: 1003 });
    await ask(token);
    clock.now = 1_002_999;
    await ask(token);
    expect(reviewer.asked).toHaveLength(1);
    clock.now = 1_003_000;
    reviewer.answer = () => ({ error: 'expired' });
    expect(await ask(token)).toMatchObject({ kind: 'refused' });
  });

  it('has the same identity object for as long as the reviewer says the same', async () => {
    const { ask, reviewer, clock } = setting({ ...alice, user: { ...alice.user, extra: { k: ['v'] } } });
    const first = await ask();
    clock.now += 10_000;
    expect(await ask()).toBe(first);
    reviewer.answer = () => alice;
    clock.now += 10_000;
    expect(await ask()).toEqual({ kind: 'authenticated', identity: aliceIdentity });
  });

  it('is one of a bounded number; bad tokens push out no good one', async () => {
    const { ask, reviewer } = setting(undefined, { limit: 2 });
    reviewer.answer = (spec) => ('token' in spec && spec.token === 'good-token' ? alice : {});
    const good = await ask('good-token');
    for (const bad of ['a', 'b', 'c']) await ask(bad);
    expect(ask('good-token')).toBe(good);
    expect(reviewer.asked).toHaveLength(4);
    await ask('c');
    expect(reviewer.asked).toHaveLength(4);
    await ask('a');
    expect(reviewer.asked).toHaveLength(5);
  });

  it('of a good token is not made of an error that may be the reviewer’s own', async () => {
    const { ask, reviewer, clock } = setting(alice);
    await ask();
    clock.now += 10_000;
    reviewer.answer = () => ({ error: 'etcd is away' });
    expect(await ask()).toMatchObject({ kind: 'refused' });
    reviewer.answer = () => alice;
    expect(await ask()).toMatchObject({ kind: 'authenticated' });
  });
});

describe('a reviewer that fails', () => {
  it('lets nobody in, is told of and is asked again', async () => {
    const { ask, reviewer, told } = setting(alice);
    reviewer.answer = unavailable;
    const message = 'https://host: connection refused (ECONNREFUSED)';
    expect(await ask()).toEqual({ kind: 'refused', reason: `reviewer failed: ${message}` });
    expect(told).toEqual(['miss', message]);
    reviewer.answer = () => alice;
    expect(await ask()).toMatchObject({ kind: 'authenticated' });
  });

  it('lets nobody in who was let in before', async () => {
    const { ask, reviewer, clock } = setting(alice);
    await ask();
    reviewer.answer = unavailable;
    expect(ask()).toMatchObject({ kind: 'authenticated' });
    clock.now += 10_000;
    expect(await ask()).toMatchObject({ kind: 'refused' });
  });

  it('is not quoted where it quotes the token, nor where it fails in a way of its own', async () => {
    const { ask, reviewer, told } = setting(alice);
    const token = tokenClaiming({ sub: 'me' });
    reviewer.answer = () => {
      throw new ReviewError('refused', `answered 400: bad token ${token}`);
    };
    expect(await ask(token)).toEqual({
      kind: 'refused',
      reason: 'reviewer failed: answered 400: bad token [token]',
    });
    reviewer.answer = () => {
      throw new RangeError(token);
    };
    expect(await ask(token)).toEqual({ kind: 'refused', reason: 'reviewer failed: RangeError' });
    expect(told.join()).not.toContain(token.slice(0, 8));
  });
});

describe('whatever a reviewer answers', () => {
  // Mostly what a reviewer may answer, so that not all of it is refused.
  const field = (name: string, ...values: unknown[]) =>
    fc.record({ [name]: fc.oneof({ weight: 15, arbitrary: fc.constantFrom(...values) }, fc.jsonValue()) });
  const users = fc
    .tuple(
      field('username', '', 'alice', 'bob', undefined),
      field('uid', '', 'u', undefined),
      field('groups', [], ['g'], null),
      field('extra', {}, { k: ['v'] }, null),
    )
    .map((parts): object => Object.assign({}, ...parts) as object);
  const statuses = fc.oneof(
    fc
      .tuple(
        field('authenticated', true, true, false, undefined),
        fc.record({ user: fc.oneof({ weight: 9, arbitrary: users }, fc.jsonValue()) }),
        field('audiences', [], ['us', 'we'], ['other'], undefined),
        field('error', '', undefined),
      )
      .map((parts): unknown => Object.assign({}, ...parts)),
    fc.jsonValue(),
  );

  it('nobody is let in without a plain yes, a name and an audience of ours, and nothing is thrown', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(statuses, fc.string({ maxLength: 20 }), async (status, tail) => {
        const token = `token-in-question${tail.replace(/[^\x21-\x7e]/g, '')}`;
        const { ask, told } = setting(status, { audiences: ['us'] });
        const answer = await ask(token);
        expect(JSON.stringify([answer, told])).not.toContain('token-in-question');
        if (answer.kind !== 'authenticated') return;
        accepted += 1;
        const given = status as typeof alice & { readonly audiences: string[]; readonly error?: string };
        expect(given.authenticated).toBe(true);
        expect(given.error ?? '').toBe('');
        expect(given.audiences).toContain('us');
        expect(given.user.username).not.toBe('');
        expect(answer.identity.name).toBe(given.user.username);
      }),
      { numRuns: 1000 },
    );
    expect(accepted).toBeGreaterThan(0);
  });
});
