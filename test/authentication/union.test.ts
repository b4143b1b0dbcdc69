import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Authentication,
  type Authenticator,
  type Credentials,
  reloadableAuthenticator,
} from '../../src/authentication/authenticator.js';
import { authenticatorUnion } from '../../src/authentication/union.js';
import { tokenFileAuthenticator } from '../../src/authentication/tokens/token-file.js';

const saying = (name: string, answer: Authentication): Authenticator => ({
  name,
  authenticate: () => answer,
});
const accepting = (name: string, user = name): Authenticator =>
  saying(name, { kind: 'authenticated', identity: { name: user, groups: [], extra: {} } });
const refusing = (name: string): Authenticator => saying(name, { kind: 'refused', reason: 'no good' });
const silent = (name: string): Authenticator => saying(name, { kind: 'none' });
const throwing = (name: string): Authenticator => ({
  name,
  authenticate: () => Promise.reject(new RangeError('token abc')),
});
const ask = (authenticators: readonly Authenticator[], anonymous = true) =>
  authenticatorUnion(authenticators, anonymous)({ headers: {} });

describe('the union of authenticators', () => {
  it.each([
    ['the first that accepts wins', [silent('a'), accepting('b'), accepting('c')], 'b'],
    ['a refusal does not keep the next from accepting', [refusing('a'), accepting('b')], 'b'],
    ['nor does a failure', [throwing('a'), accepting('b')], 'b'],
    ['nobody presented anything: anonymous', [silent('a')], 'anonymous'],
    ['no authenticator at all: anonymous', [], 'anonymous'],
  ])('%s', async (_name, authenticators, authenticator) => {
    expect(await ask(authenticators)).toMatchObject({ kind: 'authenticated', authenticator });
  });

  it.each([
    [
      'refused credentials are never anonymous',
      [refusing('a'), silent('b')],
      [{ authenticator: 'a', reason: 'no good' }],
    ],
    [
      'nor is a failure, and its message is not told',
      [throwing('a')],
      [{ authenticator: 'a', reason: 'failed: RangeError' }],
    ],
  ])('%s', async (_name, authenticators, refusals) => {
    expect(await ask(authenticators)).toEqual({ kind: 'unauthenticated', refusals });
  });

  it('says the same whether they answer at once or later, fail or reject', async () => {
    const kinds = fc.constantFrom<Authentication>(
      { kind: 'none' },
      { kind: 'refused', reason: 'no good' },
      { kind: 'authenticated', identity: { name: 'bob', groups: [], extra: {} } },
    );
    const answers = fc.array(fc.option(kinds), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        answers,
        fc.infiniteStream(fc.boolean()).map((stream) => (): boolean => stream.next().value === true),
        async (all, isLater) => {
          const named = (answer: Authentication | null, at: number, later: boolean): Authenticator => ({
            name: String(at),
            authenticate() {
              if (answer !== null) return later ? Promise.resolve(answer) : answer;
              if (later) return Promise.reject(new RangeError('token abc'));
              throw new RangeError('token abc');
            },
          });
          const atOnce = ask(all.map((answer, at) => named(answer, at, false)));
          expect(atOnce).not.toBeInstanceOf(Promise);
          expect(await ask(all.map((answer, at) => named(answer, at, isLater())))).toEqual(atOnce);
        },
      ),
    );
  });

  it('without anonymous, no credentials are no identity', async () => {
    expect(await ask([silent('a')], false)).toEqual({ kind: 'unauthenticated', refusals: [] });
  });

  it.each([
    ['bob', [], ['system:authenticated']],
    ['bob', ['x'], ['x', 'system:authenticated']],
    ['bob', ['system:authenticated'], ['system:authenticated']],
    ['bob', ['system:unauthenticated'], ['system:unauthenticated']],
    ['system:anonymous', ['x'], ['x']],
  ])('%s of groups %j gets %j', async (name, groups, completed) => {
    const identity = { name, groups, extra: {} };
    const result = await ask([saying('a', { kind: 'authenticated', identity })]);
    expect(result).toMatchObject({ identity: { name, groups: completed } });
  });
});

const bearing = (token: string): Credentials => ({ headers: { authorization: [`Bearer ${token}`] } });
const tokensOf = (text: string) => tokenFileAuthenticator({ text, file: 'tokens.csv' });

describe('an authenticator whose file is swapped', () => {
  it('is the one that is current when a request comes', async () => {
    const followed = { current: tokensOf('old,alice,1\n') };
    const authenticator = reloadableAuthenticator('token-file', followed);
    const kinds = async () => [
      (await authenticator.authenticate(bearing('old'))).kind,
      (await authenticator.authenticate(bearing('new'))).kind,
    ];
    expect(await kinds()).toEqual(['authenticated', 'refused']);
    followed.current = tokensOf('new,alice,1\n');
    expect(await kinds()).toEqual(['refused', 'authenticated']);
    followed.current = tokensOf('');
    expect(await kinds()).toEqual(['refused', 'refused']);
  });

  it('has one name, and passes on what it is given and what it is answered', () => {
    const asked: Credentials[] = [];
    const answer = Promise.resolve({ kind: 'none' as const });
    const current: Authenticator = {
      name: 'of the file',
      authenticate: (credentials) => {
        asked.push(credentials);
        return answer;
      },
    };
    const authenticator = reloadableAuthenticator('token-file', { current });
    const credentials = bearing('token');
    expect(authenticator.name).toBe('token-file');
    expect(authenticator.authenticate(credentials)).toBe(answer);
    expect(asked[0]).toBe(credentials);
  });

  it('gives the same identity object to each request while the file is the same', async () => {
    const authenticator = reloadableAuthenticator('token-file', { current: tokensOf('token,alice,1\n') });
    const one = await authenticator.authenticate(bearing('token'));
    expect(one).toMatchObject({ kind: 'authenticated', identity: { name: 'alice' } });
    expect(await authenticator.authenticate(bearing('token'))).toBe(one);
  });
});
