import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Identity } from '../../src/authentication/identity.js';
import type { Attributes, Decision } from '../../src/authorization/authorizer.js';
import {
  subjectAccessReviewAuthorizer,
  type SubjectAccessReviewOptions,
} from '../../src/authorization/subject-access-review.js';
import {
  FakeReviewer,
  refusedConnection,
  reviewingWith,
  unavailable,
  type Reviewing,
} from '../support/fake-reviewer.js';

const bob: Identity = { name: 'bob', groups: ['g'], extra: {} };
const question: Attributes = { identity: bob, verb: 'get', path: '/metrics' };
const allowed = { allowed: true, reason: 'because' };

interface Setting extends Reviewing {
  readonly ask: (attributes?: Partial<Attributes>) => Decision | Promise<Decision>;
}

function setting(answer: unknown, options: Partial<SubjectAccessReviewOptions> = {}): Setting {
  const reviewing = reviewingWith(answer);
  const authorizer = subjectAccessReviewAuthorizer({ ...reviewing.options, ...options });
  return { ...reviewing, ask: (given = {}) => authorizer.authorize({ ...question, ...given }) };
}

async function failure(work: Decision | Promise<Decision>): Promise<unknown> {
  return Promise.resolve(work).then(
    ({ decision }) => decision,
    (error: unknown) => error,
  );
}

it('a path of resources is not asked about as one that is none', async () => {
  const { reviewer, ask } = setting(allowed);
  expect(await ask({ path: '/api/v1/pods' })).toMatchObject({ decision: 'no-opinion' });
  expect(await ask({ path: '/apis/apps/v1' })).toMatchObject({ decision: 'allow' });
  expect(reviewer.asked).toHaveLength(1);
  // Everybody may discover; a backend's path that looks like it is another question.
  for (const path of ['/api', '/api/search', '/apis/apps/v1', '/openapi/v2'])
    expect(await ask({ path, isOfGateway: true })).toMatchObject({ decision: 'no-opinion' });
  expect(reviewer.asked).toHaveLength(1);
  expect(await ask({ path: '/apiary', isOfGateway: true })).toMatchObject({ decision: 'allow' });
});

describe('an answer', () => {
  it.each([
    [{ allowed: true }, 'allow', ''],
    [allowed, 'allow', 'because'],
    [{ allowed: true, denied: false, evaluationError: 'of another role' }, 'allow', ''],
    [{ allowed: true, denied: null, reason: 'two\nlines' }, 'allow', 'two\\u000alines'],
    [{ allowed: false }, 'no-opinion', ''],
    [{}, 'no-opinion', ''],
    [{ allowed: null }, 'no-opinion', ''],
    [{ allowed: false, reason: 'no binding' }, 'no-opinion', 'no binding'],
    [{ allowed: false, evaluationError: 'no role' }, 'no-opinion', 'no role'],
    [{ reason: 'no binding', evaluationError: 'no role' }, 'no-opinion', 'no binding; no role'],
    [{ allowed: false, denied: true, reason: 'never' }, 'deny', 'never'],
    [{ denied: true }, 'deny', ''],
    [{ allowed: true, denied: true, reason: 'hm' }, 'deny', 'the reviewer answered both allowed and denied'],
    [{ allowed: true, reason: 'x'.repeat(600) }, 'allow', `${'x'.repeat(511)}…`],
  ])('%j', async (status, decision, reason) => {
    const { ask, told } = setting(status);
    expect(await ask()).toEqual({ decision, reason });
    expect(told).toEqual(['miss', decision]);
  });

  it.each([
    [undefined, 'status is no object'],
    [null, 'status is no object'],
    [[], 'status is no object'],
    [true, 'status is no object'],
    [{ allowed: 'true' }, 'status.allowed is no boolean'],
    [{ allowed: 1 }, 'status.allowed is no boolean'],
    [{ allowed: true, denied: 'true' }, 'status.denied is no boolean'],
    [{ allowed: true, reason: 1 }, 'status.reason holds what is no string'],
    [{ allowed: true, conditions: [] }, 'status has the unknown field "conditions"'],
    [{ allowed: true, Denied: true }, 'status has the unknown field "Denied"'],
  ])('%j is none', async (status, what) => {
    const { ask, told } = setting(status);
    const message = `the reviewer's answer: ${what}`;
    const error = { name: 'SubjectAccessReviewError', code: 'ERR_SUBJECT_ACCESS_REVIEW', message };
    expect(await failure(ask())).toMatchObject(error);
    expect(told).toEqual(['miss', message]);
  });

  it('never allows without a plain yes, or against a no, and fails in no way but one', async () => {
    const member = (...values: unknown[]) =>
      fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...values) }, fc.jsonValue());
    const statuses = fc.oneof(
      {
        weight: 9,
        arbitrary: fc.record(
          { allowed: member(true, false), denied: member(false, true), reason: member('', 'because') },
          { requiredKeys: [] },
        ),
      },
      fc.jsonValue(),
    );
    let allowances = 0;
    await fc.assert(
      fc.asyncProperty(statuses, async (status) => {
        const result = await failure(setting(status).ask());
        if (typeof result !== 'string') expect(result).toMatchObject({ name: 'SubjectAccessReviewError' });
        if (result !== 'allow') return;
        allowances += 1;
        const { allowed: isAllowed, denied = null } = status as Readonly<Record<string, unknown>>;
        expect(isAllowed).toBe(true);
        expect(denied === null || denied === false).toBe(true);
      }),
      { numRuns: 2000 },
    );
    expect(allowances).toBeGreaterThan(0);
  });
});

describe('a question', () => {
  it.each([
    [bob, { user: 'bob', groups: ['g'] }],
    [{ name: 'bob', groups: [], extra: {} }, { user: 'bob' }],
    [
      { name: 'bob', uid: 'u', groups: ['g', 'h'], extra: { k: ['v', 'w'] } },
      { user: 'bob', uid: 'u', groups: ['g', 'h'], extra: { k: ['v', 'w'] } },
    ],
  ])('says all of who asks: %j', async (identity, subject) => {
    const { ask, reviewer } = setting(allowed);
    await ask({ identity });
    const nonResourceAttributes = { path: '/metrics', verb: 'get' };
    expect(reviewer.asked).toMatchObject([{ spec: { nonResourceAttributes, ...subject }, isKnown: false }]);
  });

  const clusterName = 'authentication.kcp.io/cluster-name';
  const scopes = 'authentication.kcp.io/scopes';
  const warrant = { 'authorization.kcp.io/warrant': ['{"user":"ann"}'] };
  const groups = ['system:serviceaccounts', 'system:serviceaccounts:monitoring', 'system:authenticated'];
  const account = (extra: Identity['extra']): Identity => ({
    name: 'system:serviceaccount:monitoring:prometheus',
    uid: 'u',
    groups,
    extra,
  });
  it.each<[string, Identity, object]>([
    ['of root', account({ [clusterName]: ['root'], [scopes]: ['cluster:root'] }), { groups, uid: 'u' }],
    ['of a plain Kubernetes', account({}), { groups, uid: 'u' }],
    [
      'of another workspace',
      account({ [clusterName]: ['abc'], [scopes]: ['cluster:abc'], ...warrant }),
      {
        user: 'system:kcp:serviceaccount:abc:monitoring:prometheus',
        groups: ['system:authenticated', 'system:cluster:abc'],
        extra: { [clusterName]: ['abc'], ...warrant },
      },
    ],
    [
      'of several workspaces',
      account({ [clusterName]: ['abc', 'root'] }),
      { user: 'system:anonymous', groups: ['system:authenticated'] },
    ],
    [
      'of root, for another workspace',
      account({ [clusterName]: ['root'], [scopes]: ['cluster:abc'] }),
      {
        user: 'system:kcp:serviceaccount:root:monitoring:prometheus',
        groups: ['system:authenticated', 'system:cluster:abc'],
      },
    ],
  ])('asks about a service account as root knows it: one %s', async (_, identity, spec) => {
    const { ask, reviewer } = setting(allowed);
    await ask({ identity });
    const user = identity.name;
    const asked = reviewer.asked[0]?.spec as { uid?: string } | undefined;
    expect(asked).toMatchObject({ user, ...spec });
    expect(asked?.uid).toBe('uid' in spec ? 'u' : undefined);
  });

  it('asks about a user whose scopes leave root out as about anybody', async () => {
    const { ask, reviewer } = setting(allowed);
    await ask({ identity: { name: 'ann', groups: ['team'], extra: { [scopes]: ['cluster:abc'] } } });
    await ask({ identity: { ...bob, extra: { [scopes]: ['cluster:abc,cluster:root'] } } });
    expect(reviewer.asked.map(({ spec }) => spec)).toMatchObject([
      { user: 'system:anonymous', groups: ['system:unauthenticated', 'system:cluster:abc'] },
      { user: 'bob', groups: ['g'], extra: { [scopes]: ['cluster:abc,cluster:root'] } },
    ]);
  });

  it('is of the logical cluster that is named', async () => {
    const { ask, reviewer } = setting(allowed, { cluster: 'abc' });
    await ask({ identity: account({ [clusterName]: ['abc'], [scopes]: ['cluster:abc'] }) });
    expect(reviewer.asked[0]?.spec).toMatchObject({ user: account({}).name, groups });
  });

  it('has the other name for groups in v1beta1', async () => {
    const { ask, reviewer } = setting(allowed);
    Object.assign(reviewer, { version: 'v1beta1' });
    await ask();
    expect(reviewer.asked[0]?.spec).toMatchObject({ user: 'bob', group: ['g'] });
    expect(reviewer.asked[0]?.spec).not.toHaveProperty('groups');
  });

  it.each([
    ['path', { path: `/${'x'.repeat(8192)}` }],
    ['verb', { verb: 'x'.repeat(65) }],
  ])('with a %s that is too long is not asked', async (_, attributes) => {
    const { ask, reviewer } = setting(allowed);
    expect(await ask(attributes)).toEqual({
      decision: 'no-opinion',
      reason: 'not asked: the verb or the path is too long',
    });
    expect(reviewer.asked).toEqual([]);
  });

  it('is asked once, however many requests have it at a time', async () => {
    const { ask, reviewer, told } = setting(allowed);
    const decisions = await Promise.all(Array.from({ length: 100 }, async () => ask()));
    expect(new Set(decisions).size).toBe(1);
    expect(reviewer.asked).toHaveLength(1);
    expect(told.filter((result) => result === 'allow')).toHaveLength(1);
  });

  it.each<[string, Partial<Attributes>]>([
    ['verb', { verb: 'head' }],
    ['path', { path: '/metrics/' }],
    ['user', { identity: { ...bob, name: 'eve' } }],
    ['uid', { identity: { ...bob, uid: 'u' } }],
    ['group', { identity: { ...bob, groups: ['g', 'h'] } }],
    ['extra', { identity: { ...bob, extra: { k: ['v'] } } }],
    ['border between verb and path', { verb: 'get/', path: 'metrics' }],
  ])('is another one with another %s', async (_, attributes) => {
    const { ask, reviewer } = setting(allowed);
    await ask();
    await ask(attributes);
    expect(reviewer.asked).toHaveLength(2);
  });

  it('is the same for the same identity in another object', async () => {
    const { ask, reviewer } = setting(allowed);
    await ask({ identity: { ...bob, extra: { a: ['1'], b: ['2'] } } });
    await ask({ identity: { ...bob, extra: { b: ['2'], a: ['1'] } } });
    expect(reviewer.asked).toHaveLength(1);
  });
});

describe('a remembered decision', () => {
  it.each([
    ['allow', allowed, { authorizedTtlMs: 500 }],
    ['deny', { denied: true }, { unauthorizedTtlMs: 500 }],
    ['no-opinion', {}, { unauthorizedTtlMs: 500 }],
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

  it('is forgotten in time although the clock on the wall is set back', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'] });
    const reviewer = new FakeReviewer(() => allowed);
    const authorizer = subjectAccessReviewAuthorizer({ reviewer, staleTtlMs: 1000 });
    await authorizer.authorize(question);
    vi.advanceTimersByTime(11_000);
    vi.setSystemTime(Date.now() - 3_600_000);
    reviewer.answer = unavailable;
    expect(await failure(authorizer.authorize(question))).toMatchObject({ name: 'SubjectAccessReviewError' });
  });

  it('is one of a bounded number', async () => {
    const { ask, reviewer } = setting(allowed, { limit: 2 });
    for (const path of ['/a', '/b', '/c', '/c', '/b', '/a']) await ask({ path });
    expect(reviewer.asked).toHaveLength(4);
  });

  it('of which an allow makes the next question one about somebody known', async () => {
    const { ask, reviewer, clock } = setting(allowed);
    await ask();
    clock.now += 10_000;
    await ask();
    expect(reviewer.asked).toMatchObject([{ isKnown: false }, { isKnown: true }]);
  });
});

describe('a reviewer that fails', () => {
  it.each([
    ['by a reason of ours', unavailable, refusedConnection],
    [
      'by another',
      (): never => {
        throw new RangeError('secret');
      },
      'RangeError',
    ],
  ])('is an error, not remembered: %s', async (_, answer, message) => {
    const { ask, reviewer } = setting(allowed);
    reviewer.answer = answer;
    expect(await failure(ask())).toMatchObject({ name: 'SubjectAccessReviewError', message });
    reviewer.answer = () => allowed;
    expect(await failure(ask())).toBe('allow');
  });

  it('is an error, too, for whoever was allowed before, where nothing stale is served', async () => {
    const { ask, reviewer, clock } = setting(allowed, { authorizedTtlMs: 1000 });
    await ask();
    reviewer.answer = unavailable;
    clock.now += 999;
    expect(await failure(ask())).toBe('allow');
    clock.now += 1;
    expect(await failure(ask())).toMatchObject({ name: 'SubjectAccessReviewError' });
  });
});

describe('a stale allow', () => {
  const options = { authorizedTtlMs: 1000, staleTtlMs: 5000 };

  it('stands in for an answer that does not come, says so, and not for longer than it may', async () => {
    const { ask, reviewer, clock, told } = setting(allowed, options);
    await ask();
    reviewer.answer = unavailable;
    const stale = (age: string) => ({
      decision: 'allow',
      reason: `stale for ${age}, the reviewer does not answer: because`,
    });
    clock.now += 1000;
    expect(await ask()).toEqual(stale('0s'));
    expect(told).toEqual(['miss', 'allow', 'miss', refusedConnection, 'stale']);
    clock.now += 4999;
    expect(await ask()).toEqual(stale('5s'));
    clock.now += 1;
    expect(await failure(ask())).toMatchObject({ name: 'SubjectAccessReviewError' });
  });

  it('is nothing against a fresh answer', async () => {
    const { ask, reviewer, clock, told } = setting(allowed, options);
    await ask();
    clock.now += 1000;
    reviewer.isFailing = true;
    reviewer.answer = () => ({ denied: true });
    expect(await failure(ask())).toBe('deny');
    expect(told).not.toContain('stale');
  });

  it.each([
    ['deny', { denied: true }],
    ['no opinion', {}],
  ])('ends with a %s, even if the reviewer fails again', async (_, status) => {
    const { ask, reviewer, clock } = setting(allowed, { ...options, unauthorizedTtlMs: 0 });
    await ask();
    clock.now += 1000;
    reviewer.answer = unavailable;
    expect(await failure(ask())).toBe('allow');
    reviewer.answer = () => status;
    expect(await failure(ask())).not.toBe('allow');
    reviewer.answer = unavailable;
    expect(await failure(ask())).toMatchObject({ name: 'SubjectAccessReviewError' });
  });

  it('is for exactly the same question', async () => {
    const { ask, reviewer, clock } = setting(allowed, options);
    await ask();
    clock.now += 1000;
    reviewer.answer = unavailable;
    expect(await failure(ask({ path: '/metrics/x' }))).toMatchObject({ name: 'SubjectAccessReviewError' });
    const identity = { ...bob, groups: [] };
    expect(await failure(ask({ identity }))).toMatchObject({ name: 'SubjectAccessReviewError' });
  });

  it('waits no more than a moment for a reviewer that is known to fail, whose late answer counts next time', async () => {
    const { ask, reviewer, clock } = setting(allowed, options);
    await ask();
    clock.now += 1000;
    reviewer.isFailing = true;
    let answer: (status: object) => void = () => undefined;
    reviewer.answer = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const startedAt = performance.now();
    const decisions = await Promise.all([1, 2, 3].map(async () => failure(ask())));
    expect(decisions).toEqual(['allow', 'allow', 'allow']);
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(reviewer.asked).toHaveLength(2);
    const late = ask();
    answer({ denied: true });
    expect(await failure(late)).toBe('deny');
    expect(await failure(ask())).toBe('deny');
  });
});
